/* SPDX-License-Identifier: Apache-2.0 */
/* provost doctor and provost support-bundle. */
#include "core/cli/bundle.h"
#include "core/cli/doctor.h"
#include "core/cli/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int doctor(struct pv_cli *cli)
{
    json_t *report = NULL;
    int status = pv_doctor(cli, !cli->out.json && !cli->out.quiet, &report);
    if (cli->out.json && report != NULL) {
        json_dumpf(report, cli->out.file, JSON_COMPACT);
        fputc('\n', cli->out.file);
    }
    json_decref(report);
    return status;
}

const struct pv_cli_command pv_cli_doctor[] = {
    {.name = "",
     .args = "",
     .summary = "check configuration, store, clock, kernel and every instance; say what to do",
     .details =
         "Each check is one line: ok, warn, or FAIL with a remedy. Instances are asked to test "
         "their backends. Nothing is changed. Exits with 1 when something is wrong; warnings "
         "alone are 0.",
     .run = doctor},
    {0},
};

/* ---- support-bundle ---- */

/* What a signal finds to be taken away: by calls alone that a handler may make. */
static struct {
    struct pv_bundle bundle;
    char parent[sizeof("/tmp/provost-bundle-XXXXXX")];
    char folder[128];
    volatile sig_atomic_t tar; /* its process; 0: none */
} made;

static void on_signal(int number)
{
    if (made.tar > 0) {
        kill((pid_t)made.tar, SIGTERM);
    }
    for (int i = 0; i < made.bundle.count; i++) {
        unlinkat(made.bundle.dir, made.bundle.names[i], 0);
    }
    rmdir(made.folder);
    rmdir(made.parent);
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction ours = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        if (sigaction(numbers[i], &ours, &before) == 0 && before.sa_handler == SIG_IGN) {
            sigaction(numbers[i], &before, NULL); /* nohup */
        }
    }
}

static int pack(struct pv_cli *cli, const char *folder, const char *name, const char *output)
{
    int how = 0;
    pid_t pid = fork();
    if (pid == 0) {
        umask(077);
        /* a colon in its name makes no host of it */
        execlp("tar", "tar", "--force-local", "-czf", output, "-C", folder, "--", name,
               (char *)NULL);
        _exit(127);
    }
    pid_t done = pid;
    made.tar = pid > 0 ? pid : 0;
    do {
        done = pid > 0 ? waitpid(pid, &how, 0) : -1;
    } while (done < 0 && errno == EINTR);
    made.tar = 0;
    if (done != pid || pid < 0) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "cannot start tar: %s", strerror(errno));
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127) {
        return pv_cli_fail(cli, PV_EXIT_NOT_FOUND, "there is no tar: apt install tar");
    }
    return WIFEXITED(how) && WEXITSTATUS(how) == 0
               ? PV_EXIT_OK
               : pv_cli_fail(cli, PV_EXIT_FAILED, "%s was not written; tar said why", output);
}

/* Removes the folder's files and the folder. */
static void remove_folder(int dir, const char *path)
{
    DIR *stream = dir >= 0 ? fdopendir(dir) : NULL;
    for (struct dirent *entry = stream != NULL ? readdir(stream) : NULL; entry != NULL;
         entry = readdir(stream)) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(stream), entry->d_name, 0);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    } else if (dir >= 0) {
        close(dir);
    }
    rmdir(path);
}

/* Fills the folder and packs it. */
static int make_bundle(struct pv_cli *cli, const char *name, const char *output)
{
    struct pv_err err = {0};
    struct pv_bundle *bundle = &made.bundle;
    *bundle = (struct pv_bundle){.cli = cli, .log = pv_cli_text(cli, "log"), .dir = -1};
    memcpy(made.parent, "/tmp/provost-bundle-XXXXXX", sizeof(made.parent));
    catch_signals();
    if (mkdtemp(made.parent) == NULL) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "cannot make a folder in /tmp: %s",
                           strerror(errno));
    }
    snprintf(made.folder, sizeof(made.folder), "%s/%s", made.parent, name);
    if (mkdir(made.folder, 0700) == 0) {
        bundle->dir = open(made.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    int status = PV_EXIT_OK;
    if (bundle->dir < 0) {
        status = pv_cli_fail(cli, PV_EXIT_FAILED, "%s: %s", made.folder, strerror(errno));
    } else if (pv_bundle_fill(bundle, &err) != 0) {
        status = pv_cli_fail_err(cli, &err);
    }
    if (status == PV_EXIT_OK) {
        status = pack(cli, made.parent, name, output);
    }
    remove_folder(bundle->dir, made.folder);
    rmdir(made.parent);
    return status;
}

static int support_bundle(struct pv_cli *cli)
{
    char name[64];
    char fallback[80];
    time_t now = time(NULL);
    struct tm tm = {0};
    gmtime_r(&now, &tm);
    strftime(name, sizeof(name), "provost-%Y%m%d-%H%M%S", &tm);
    snprintf(fallback, sizeof(fallback), "%s.tar.gz", name);
    const char *output = pv_cli_text(cli, "output");
    output = output != NULL ? output : fallback;
    int status = make_bundle(cli, name, output);
    if (status == PV_EXIT_OK && cli->out.json) {
        json_t *json = json_pack("{s:s}", "bundle", output);
        json_dumpf(json, cli->out.file, JSON_COMPACT);
        fputc('\n', cli->out.file);
        json_decref(json);
    } else if (status == PV_EXIT_OK) {
        fprintf(cli->out.file,
                cli->out.quiet ? "%s\n" : "%s is written. Look through it before you send it.\n",
                output);
    }
    return status;
}

static const struct pv_cli_option bundle_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "where to write it (provost-DATE-TIME.tar.gz)"},
    {.name = "log",
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "add the daemon's log; - reads it from standard input"},
    {0},
};

const struct pv_cli_command pv_cli_support_bundle[] = {
    {.name = "",
     .args = "",
     .summary = "pack what somebody who helps needs to see, without secrets and customers",
     .details =
         "Writes a .tar.gz with: the machine (kernel, distribution), the configuration as JSON "
         "with "
         "the settings of plugins and everything that is named like a secret hidden, what `doctor` "
         "found, status, instances, plugins, products, metrics, and ids and reasons of operations "
         "that need an operator. E-mail addresses are replaced in all of it. It works without a "
         "running daemon, too.\n\n"
         "With systemd: journalctl -u provostd -n 5000 -o cat | provost support-bundle --log -",
     .options = bundle_options,
     .run = support_bundle},
    {0},
};

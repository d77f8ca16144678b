/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of commands in the order in which help shows them, and what all commands share. */
#include "core/cli/command.h"

#include "core/cli/cli.h"
#include "core/cli/groups.h"

#include <string.h>

const struct pv_cli_option pv_cli_globals[] = {
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "the daemon's configuration; its `admin_socket:` says where to ask"},
    {.name = "socket",
     .value = "PATH",
     .type = PV_OPTION_TEXT,
     .help = "the daemon's admin socket; goes before -c and PROVOST_SOCKET"},
    {.name = "json", .help = "print the API's JSON instead of tables"},
    {.name = "quiet", .letter = 'q', .help = "print only what a script wants: an id, a token"},
    {.name = "color",
     .value = "WHEN",
     .type = PV_OPTION_TEXT,
     .help = "auto (on a terminal where NO_COLOR is not set), always or never"},
    {.name = "help", .letter = 'h', .help = "say what a command does and which options it takes"},
    {.name = "version", .help = "print the version"},
    {0},
};

const struct pv_cli_group pv_cli_groups[] = {
    {"status", "how the daemon is doing", pv_cli_status},
    {"event", "send what a billing system would send", pv_cli_event},
    {"service", "what customers bought", pv_cli_service},
    {"operation", "what is being done, and what to do when it does not get on", pv_cli_operation},
    {"explain", "why something waits, and what to do", pv_cli_explain},
    {"instance", "configured copies of plugins", pv_cli_instance},
    {"plugin", "look at plugins; write, run and test one", pv_cli_plugin},
    {"token", "who may call the API", pv_cli_token},
    {"webhook", "who is told what happens", pv_cli_webhook},
    {"audit", "who did what", pv_cli_audit},
    {"config", "check a configuration", pv_cli_config},
    {"reload", "read the configuration again", pv_cli_reload},
    {"db", "the database's schema", pv_cli_db},
    {"key", "the keys that the database is sealed with", pv_cli_key},
    {"doctor", "whether everything is in order", pv_cli_doctor},
    {"support-bundle", "what somebody who helps needs to see", pv_cli_support_bundle},
    {"moves", "the table of legal moves", pv_cli_moves},
    {"version", "the version", pv_cli_version},
    {0},
};

const struct pv_exit_text pv_cli_exits[] = {
    {PV_EXIT_OK, "done; what was asked for is printed"},
    {PV_EXIT_FAILED, "refused, failed, or not found to be in order"},
    {PV_EXIT_USAGE, "the command line is wrong"},
    {PV_EXIT_UNREACHABLE, "the daemon cannot be reached"},
    {PV_EXIT_NOT_FOUND, "there is no such service, operation, instance, token or file"},
    {PV_EXIT_NEEDS_OPERATOR, "the operation is parked: it needs an operator"},
    {PV_EXIT_UNFINISHED, "the operation is not finished yet (--timeout or --wait was over)"},
    {PV_EXIT_CANCELED, "the operation was canceled, superseded or abandoned"},
    {PV_EXIT_BUSY, "the daemon is too busy, or its store is down: try again"},
    {0, NULL},
};

const struct pv_cli_group *pv_cli_group_find(const char *name)
{
    for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
        if (strcmp(g->name, name) == 0) {
            return g;
        }
    }
    return NULL;
}

const struct pv_cli_command *pv_cli_command_find(const struct pv_cli_group *group, const char *name)
{
    for (const struct pv_cli_command *c = group->commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

bool pv_cli_group_is_command(const struct pv_cli_group *group)
{
    return group->commands[0].name[0] == '\0';
}

/* The word at *at, and *at behind it. */
static struct pv_str next_word(const char **at)
{
    *at += strspn(*at, " ");
    struct pv_str word = {*at, strcspn(*at, " ")};
    *at += word.len;
    return word;
}

void pv_cli_arg_counts(const char *args, size_t *ret_min, size_t *ret_max)
{
    size_t min = 0;
    size_t max = 0;
    for (struct pv_str word = next_word(&args); word.len > 0; word = next_word(&args)) {
        min += word.ptr[0] != '[';
        bool many = word.len > 3 && memcmp(word.ptr + word.len - 3, "...", 3) == 0;
        max = many || max == SIZE_MAX ? SIZE_MAX : max + 1;
    }
    *ret_min = min;
    *ret_max = max;
}

struct pv_str pv_cli_arg_name(const char *args, size_t index)
{
    struct pv_str word = next_word(&args);
    for (size_t i = 0; i < index && word.len > 0; i++) {
        word = next_word(&args);
    }
    size_t lead = word.len > 0 && word.ptr[0] == '[';
    word.ptr += lead;
    word.len -= lead;
    while (word.len > 0 && (word.ptr[word.len - 1] == '.' || word.ptr[word.len - 1] == ']')) {
        word.len--;
    }
    return word;
}

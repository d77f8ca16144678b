/* SPDX-License-Identifier: Apache-2.0 */
/* Power fails while the keys file is made, gets one key more, or is opened after a process was
 * killed in the middle of that: what the keyring calls (open, write, fsync, link, rename, unlink;
 * the linker leads them here) is recorded, and at each moment the disk holds every key that was in
 * use by then. PROVOST_SEEDS: disks for each moment (6; PROVOST_SEED the first). */
#include "tests/store/disk.h"
#include "tests/store/disk_events.h"
#include "tests/store/harness.h"

#include "core/base/hash.h"
#include "core/store/logic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_ACKS 16
#define MOST_FDS 64

/* ---- what is called ---- */

int __real_open64(const char *path, int flags, ...);
int __real_mkostemp64(char *path, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_link(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_rename(const char *from, const char *to);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_mkostemp64(char *path, int flags);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_link(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);

/* What goes wrong. */
enum lie {
    HONEST,
    FILE_NOT_SYNCED,   /* the disk says that a file's bytes are synced, and they are not */
    FOLDER_NOT_SYNCED, /* … a folder's names … */
};

static char folder[64]; /* "": nothing is recorded */
static enum lie lie;
static bool folder_fails;
static jmp_buf *dies; /* set: the process is killed where it would sync a folder next */
static struct {
    struct disk_node *node; /* NULL: nothing recorded */
    bool is_folder;
    size_t at;
} files[MOST_FDS];

static const char *recorded(const char *path)
{
    size_t len = strlen(folder);
    return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static void opened(int fd, const char *name)
{
    assert_true(fd < MOST_FDS);
    files[fd].at = 0;
    files[fd].is_folder = name[0] == '\0';
    files[fd].node = files[fd].is_folder ? NULL : disk_node_find(name);
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
    va_end(more);
    int fd = __real_open64(path, flags, mode);
    const char *name = recorded(path);
    if (fd >= 0 && name) {
        if ((flags & O_CREAT) != 0 && !disk_node_find(name)) {
            disk_event_create(name);
        }
        opened(fd, name);
    }
    return fd;
}

int __wrap_mkostemp64(char *path, int flags)
{
    int fd = __real_mkostemp64(path, flags);
    const char *name = recorded(path);
    if (fd >= 0 && name) {
        disk_event_create(name);
        opened(fd, name);
    }
    return fd;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    ssize_t done = __real_write(fd, bytes, len);
    if (done > 0 && fd < MOST_FDS && files[fd].node) {
        disk_event_write(files[fd].node, bytes, (size_t)done, files[fd].at);
        files[fd].at += (size_t)done;
    }
    return done;
}

int __wrap_fsync(int fd)
{
    bool is_folder = fd < MOST_FDS && files[fd].is_folder;
    if (is_folder && dies) {
        jmp_buf *to = dies;
        dies = NULL;
        (void)__wrap_close(fd);
        longjmp(*to, 1);
    }
    if (is_folder && folder_fails) {
        errno = EIO;
        return -1;
    }
    if (is_folder && lie != FOLDER_NOT_SYNCED) {
        disk_event_folder_sync();
    } else if (fd < MOST_FDS && files[fd].node && lie != FILE_NOT_SYNCED) {
        disk_event_sync(files[fd].node, DISK_SYNC);
    }
    return 0;
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd < MOST_FDS) {
        files[fd].node = NULL;
        files[fd].is_folder = false;
    }
    return __real_close(fd);
}

int __wrap_link(const char *from, const char *to)
{
    int result = __real_link(from, to);
    if (result == 0 && recorded(from)) {
        disk_event_link(disk_node_find(recorded(from)), recorded(to));
    }
    return result;
}

int __wrap_unlink(const char *path)
{
    int result = __real_unlink(path);
    if (result == 0 && recorded(path)) {
        disk_event_remove(recorded(path));
    }
    return result;
}

int __wrap_rename(const char *from, const char *to)
{
    int result = __real_rename(from, to);
    if (result == 0 && recorded(from)) {
        disk_event_rename(recorded(from), recorded(to));
    }
    return result;
}

/* ---- keys come into use ---- */

/* Something sealed, when the keyring that sealed it was in use. */
struct ack {
    size_t moment;
    size_t len;
    char sealed[200];
};

static struct ack acks[MOST_ACKS];
static size_t ack_count;
static char keys[96];

static void seal_one(const struct pv_keyring *keyring)
{
    struct pv_buf sealed;
    pv_buf_init(&sealed, sizeof(acks[0].sealed));
    assert_int_equal(pv_keyring_seal(keyring, PV_STR("row"), PV_STR("text"), &sealed), 0);
    assert_true(ack_count < MOST_ACKS);
    acks[ack_count] = (struct ack){.moment = disk_events_count(), .len = sealed.len};
    memcpy(acks[ack_count].sealed, sealed.ptr, sealed.len);
    ack_count++;
    pv_buf_done(&sealed);
}

static struct pv_keyring *open_keys(void)
{
    struct pv_keyring *keyring = NULL;
    struct pv_err err = {0};
    if (pv_keyring_open(keys, &keyring, &err)) {
        fail_msg("%s", err.text);
    }
    seal_one(keyring);
    return keyring;
}

static int rotate(struct pv_keyring *keyring)
{
    struct pv_err err = {0};
    uint32_t id = 0;
    int status = pv_keyring_rotate(keyring, keys, &id, &err);
    if (status == 0) {
        seal_one(keyring);
    }
    return status;
}

/* True: the process was killed where it waits for the folder, by whatever `keyring` does. */
static bool killed(struct pv_keyring *keyring)
{
    jmp_buf here;
    struct pv_keyring *volatile made = NULL;
    if (setjmp(here) != 0) {
        return true;
    }
    dies = &here;
    if (keyring) {
        (void)rotate(keyring);
    } else {
        made = open_keys();
    }
    dies = NULL;
    pv_keyring_free(made);
    return false;
}

/* A first start that is killed; a second one; keys more, in the middle of which the process is
 * killed, or the disk fails. */
static void record(const char *in, enum lie as)
{
    disk_events_forget();
    ack_count = 0;
    lie = as;
    snprintf(folder, sizeof(folder), "%s", in);
    snprintf(keys, sizeof(keys), "%s/keys", in);
    assert_true(killed(NULL));
    struct pv_keyring *keyring = open_keys();
    assert_int_equal(rotate(keyring), 0);
    assert_true(killed(keyring));
    pv_keyring_free(keyring);
    keyring = open_keys();
    assert_int_equal(pv_keyring_count(keyring), 3); /* the one of the killed process is in use */
    folder_fails = true;
    assert_int_equal(rotate(keyring), PV_EIO);
    folder_fails = false;
    seal_one(keyring);
    assert_int_equal(rotate(keyring), 0);
    pv_keyring_free(keyring);
    keyring = open_keys();
    assert_int_equal(pv_keyring_count(keyring), 4);
    pv_keyring_free(keyring);
    folder[0] = '\0';
}

/* ---- after power has failed ---- */

static bool opens(const struct pv_keyring *keyring, const struct ack *ack)
{
    struct pv_arena arena;
    struct pv_str plain = {NULL, 0};
    pv_arena_init(&arena);
    int status = pv_keyring_unseal(keyring, PV_STR("row"), (struct pv_str){ack->sealed, ack->len},
                                   &arena, &plain);
    bool good = status == 0 && pv_str_eq_c(plain, "text");
    pv_arena_done(&arena);
    return good;
}

/* Everything that was sealed before the moment can be read, and a key more can be made. */
static bool survives(const char *image, size_t moment, uint64_t seed, char *why, size_t size)
{
    char path[96];
    struct pv_keyring *keyring = NULL;
    struct pv_err err = {0};
    disk_lose_power(moment, seed, image);
    snprintf(path, sizeof(path), "%s/keys", image);
    (void)chmod(path, 0600);
    bool good = pv_keyring_open(path, &keyring, &err) == 0;
    if (!good) {
        snprintf(why, size, "%.250s", err.text);
    }
    for (size_t i = 0; i < ack_count && good; i++) {
        good = acks[i].moment > moment || opens(keyring, &acks[i]);
        if (!good) {
            snprintf(why, size, "what was sealed at moment %zu cannot be read", acks[i].moment);
        }
    }
    uint32_t id = 0;
    if (good && pv_keyring_rotate(keyring, path, &id, &err) != 0) {
        snprintf(why, size, "%.250s", err.text);
        good = false;
    }
    pv_keyring_free(keyring);
    fix_remove_folder(image);
    assert_int_equal(mkdir(image, 0700), 0);
    return good;
}

static size_t run(enum lie as, char *why, size_t size)
{
    char in[64];
    char image[64];
    const char *base = getenv("TMPDIR");
    const char *seeds_text = getenv("PROVOST_SEEDS");
    const char *first_text = getenv("PROVOST_SEED");
    uint64_t first = first_text ? strtoull(first_text, NULL, 10) : 1;
    uint64_t seeds = seeds_text ? strtoull(seeds_text, NULL, 10) : 6;
    snprintf(in, sizeof(in), "%.40s/pv-keys-XXXXXX", base ? base : "/tmp");
    snprintf(image, sizeof(image), "%.40s/pv-keys-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(in));
    assert_non_null(mkdtemp(image));
    record(in, as);
    size_t bad = 0;
    for (size_t moment = 0; moment <= disk_events_count(); moment++) {
        for (uint64_t seed = first; seed < first + seeds; seed++) {
            char found[300] = "";
            if (!survives(image, moment, seed, found, sizeof(found)) && bad++ == 0) {
                snprintf(why, size, "moment %zu of %zu, PROVOST_SEED=%llu: %s", moment,
                         disk_events_count(), (unsigned long long)seed, found);
            }
        }
    }
    disk_forget();
    fix_remove_folder(in);
    fix_remove_folder(image);
    return bad;
}

static void no_key_in_use_is_lost(void **state)
{
    (void)state;
    char why[400] = "";
    if (run(HONEST, why, sizeof(why)) > 0) {
        fail_msg("%s", why);
    }
}

/* The test can fail. */
static void what_is_not_synced_is_found(void **state)
{
    (void)state;
    static const enum lie lies[] = {FILE_NOT_SYNCED, FOLDER_NOT_SYNCED};
    for (size_t i = 0; i < PV_COUNT(lies); i++) {
        char why[400] = "";
        size_t bad = run(lies[i], why, sizeof(why));
        print_message("lie %d: %zu lose something, first %s\n", lies[i], bad, why);
        assert_true(bad > 0);
    }
}

int main(void)
{
    if (pv_base_init() != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_in_use_is_lost),
        cmocka_unit_test(what_is_not_synced_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

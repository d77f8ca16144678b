/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a store: a text file of "key ID HEX64" and "mac HEX64" lines, 0600, made at the first
 * start. The last key seals; every key unseals. Once it is open any thread may use it: keys are
 * only ever added, each is whole before `count` says that it is there, and one thread adds. */
#include "core/store/keyring.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE 16384

_Static_assert(PV_SEALING_KEY == 32, "a line of the file holds 32 bytes");

static struct pv_keyring *keyring_new(void)
{
    static _Atomic uint64_t made;
    struct pv_keyring *keyring = pv_calloc(1, sizeof(*keyring));
    if (keyring) {
        keyring->serial = atomic_fetch_add(&made, 1) + 1;
    }
    return keyring;
}

void pv_keyring_free(struct pv_keyring *keyring)
{
    if (keyring) {
        pv_seal_forget();
        pv_wipe(keyring, sizeof(*keyring));
        pv_free(keyring);
    }
}

int pv_keyring_fixed(const uint8_t bytes[64], struct pv_keyring **ret_keyring)
{
    struct pv_keyring *keyring = keyring_new();
    if (!keyring) {
        return PV_ENOMEM;
    }
    keyring->count = 1;
    keyring->keys[0].id = 1;
    memcpy(keyring->keys[0].bytes, bytes, PV_SEALING_KEY);
    memcpy(keyring->mac, bytes + 32, sizeof(keyring->mac));
    keyring->has_mac = true;
    *ret_keyring = keyring;
    return PV_OK;
}

size_t pv_keyring_count(const struct pv_keyring *keyring)
{
    return atomic_load_explicit(&keyring->count, memory_order_acquire);
}

uint32_t pv_keyring_id(const struct pv_keyring *keyring, size_t at)
{
    return keyring->keys[at].id;
}

uint32_t pv_keyring_newest(const struct pv_keyring *keyring)
{
    return keyring->keys[pv_keyring_count(keyring) - 1].id;
}

/* ---- the file ---- */

static int bad_line(const char *path, unsigned line, struct pv_err *err)
{
    return pv_err_set(err, PV_ESYNTAX,
                      "keys file %s, line %u: expected \"key ID HEX\" or \"mac HEX\" with 64 "
                      "hexadecimal digits",
                      path, line);
}

static struct pv_str word(struct pv_str *line)
{
    while (line->len > 0 && line->ptr[0] == ' ') {
        line->ptr++;
        line->len--;
    }
    struct pv_str out = {line->ptr, 0};
    while (line->len > 0 && line->ptr[0] != ' ') {
        out.len++;
        line->ptr++;
        line->len--;
    }
    return out;
}

static int parse_line(struct pv_keyring *keyring, struct pv_str line)
{
    struct pv_str kind = word(&line);
    if (kind.len == 0 || kind.ptr[0] == '#') {
        return PV_OK;
    }
    if (pv_str_eq_c(kind, "mac") && !keyring->has_mac) {
        keyring->has_mac = true;
        return pv_unhex(word(&line), keyring->mac, sizeof(keyring->mac));
    }
    if (!pv_str_eq_c(kind, "key") || keyring->count == PV_MAX_KEYS) {
        return PV_ESYNTAX;
    }
    int64_t id = 0;
    if (pv_str_to_i64(word(&line), &id) || id < 1 || id > UINT32_MAX) {
        return PV_ESYNTAX;
    }
    struct pv_key *key = &keyring->keys[keyring->count++];
    key->id = (uint32_t)id;
    return pv_unhex(word(&line), key->bytes, sizeof(key->bytes));
}

static int parse(struct pv_keyring *keyring, const char *path, struct pv_str text,
                 struct pv_err *err)
{
    unsigned number = 0;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        number++;
        if (parse_line(keyring, (struct pv_str){text.ptr, len})) {
            return bad_line(path, number, err);
        }
        len += end ? 1 : 0;
        text = (struct pv_str){text.ptr + len, text.len - len};
    }
    if (keyring->count == 0 || !keyring->has_mac) {
        return pv_err_set(err, PV_ESYNTAX, "keys file %s: it holds no %s", path,
                          keyring->count == 0 ? "key" : "mac line");
    }
    return PV_OK;
}

static int errno_err(struct pv_err *err, const char *what, const char *path)
{
    int errnum = errno;
    return pv_err_set(err, pv_status_from_errno(errnum), "cannot %s keys file %s: %s", what, path,
                      strerror(errnum));
}

/* Reads all of it into `text`, and the keys in it. */
static int read_text(int fd, const char *path, struct pv_keyring *keyring, char text[MAX_FILE],
                     size_t *ret_len, struct pv_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return errno_err(err, "read", path);
    }
    if ((st.st_mode & 077) != 0) {
        return pv_err_set(err, PV_EDENIED,
                          "keys file %s can be read by others than its owner: chmod 600 it", path);
    }
    size_t len = 0;
    ssize_t got = 0;
    do {
        got = read(fd, text + len, MAX_FILE - len);
        len += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && len < MAX_FILE) || (got < 0 && errno == EINTR));
    *ret_len = len;
    return got < 0 ? errno_err(err, "read", path)
                   : parse(keyring, path, (struct pv_str){text, len}, err);
}

static int read_file(int fd, const char *path, struct pv_keyring *keyring, struct pv_err *err)
{
    char text[MAX_FILE];
    size_t len = 0;
    int status = read_text(fd, path, keyring, text, &len, err);
    pv_wipe(text, sizeof(text));
    return status;
}

int pv_folder_sync(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    if (len >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, len);
    memcpy(folder + len, len ? "" : ".", len ? 1 : 2);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = fsync(fd);
    close(fd);
    return result;
}

static bool write_keys(int fd)
{
    uint8_t bytes[64];
    char hex[2][65];
    char text[320];
    randombytes_buf(bytes, sizeof(bytes));
    pv_hex(bytes, 32, hex[0]);
    pv_hex(bytes + 32, 32, hex[1]);
    int len =
        snprintf(text, sizeof(text),
                 "# Keys of a Provost store. Without them its database cannot be read: keep a "
                 "copy apart from it.\nkey 1 %s\nmac %s\n",
                 hex[0], hex[1]);
    bool good = write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    pv_wipe(bytes, sizeof(bytes));
    pv_wipe(hex, sizeof(hex));
    pv_wipe(text, sizeof(text));
    return good;
}

/* Written beside, synced, and linked into place: a file that is there is whole, and is never
 * replaced. */
static int make_file(const char *path, struct pv_err *err)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return errno_err(err, "make", path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return errno_err(err, "make", path);
    }
    int status = PV_OK;
    if (fchmod(fd, 0600) != 0 || !write_keys(fd) ||
        (link(temporary, path) != 0 && errno != EEXIST) || pv_folder_sync(path) != 0) {
        status = errno_err(err, "make", path);
    }
    close(fd);
    unlink(temporary);
    return status;
}

/* Whoever made or replaced the file may have been killed before its name was durable; from here on
 * values are sealed with what it holds. Where the folder cannot be opened, nobody could tell. */
static int settle(const char *path, struct pv_err *err)
{
    char real[PATH_MAX];
    return realpath(path, real) && pv_folder_sync(real) != 0 && errno == EIO
               ? errno_err(err, "sync the folder of", path)
               : PV_OK;
}

int pv_keyring_open(const char *path, struct pv_keyring **ret_keyring, struct pv_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int status = make_file(path, err);
        if (status) {
            return status;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        return errno_err(err, "open", path);
    }
    struct pv_keyring *keyring = keyring_new();
    int status = keyring ? read_file(fd, path, keyring, err)
                         : pv_err_set(err, PV_ENOMEM, "keys file %s: out of memory", path);
    close(fd);
    status = status ? status : settle(path, err);
    if (status) {
        pv_keyring_free(keyring);
        return status;
    }
    *ret_keyring = keyring;
    return PV_OK;
}

/* ---- one key more ---- */

static int changed(const char *path, struct pv_err *err)
{
    return pv_err_set(err, PV_ECONFLICT,
                      "keys file %s is not what provostd read: the key that seals has to be its "
                      "last one; put it right and restart provostd",
                      path);
}

/* The file as it stands, which has to end with the key that seals, and the id of the next key. */
static int read_again(const struct pv_keyring *keyring, const char *path, char text[MAX_FILE],
                      size_t *ret_len, uint32_t *ret_id, struct pv_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno_err(err, "open", path);
    }
    struct pv_keyring *found = keyring_new();
    int status = found ? read_text(fd, path, found, text, ret_len, err)
                       : pv_err_set(err, PV_ENOMEM, "keys file %s: out of memory", path);
    close(fd);
    size_t count = pv_keyring_count(keyring);
    const struct pv_key *last = &keyring->keys[count - 1];
    uint32_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        highest = keyring->keys[i].id > highest ? keyring->keys[i].id : highest;
    }
    if (!status) {
        const struct pv_key *theirs = &found->keys[found->count - 1];
        for (size_t i = 0; i < found->count; i++) {
            highest = found->keys[i].id > highest ? found->keys[i].id : highest;
        }
        if (theirs->id != last->id || memcmp(theirs->bytes, last->bytes, PV_SEALING_KEY) != 0 ||
            memcmp(found->mac, keyring->mac, sizeof(keyring->mac)) != 0) {
            status = changed(path, err);
        }
    }
    if (!status && (count == PV_MAX_KEYS || found->count == PV_MAX_KEYS ||
                    *ret_len > MAX_FILE - 128 || highest == UINT32_MAX)) {
        status = pv_err_set(err, PV_ETOOBIG,
                            "keys file %s: there is no room for one key more: take out the lines "
                            "of keys that nothing is sealed with any more (provost key list) and "
                            "restart provostd",
                            path);
    }
    pv_keyring_free(found);
    *ret_id = highest + 1;
    return status;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        text += done > 0 ? done : 0;
        len -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

/* Into `name`, which is new, synced, with the owner of the file at `path`. */
static bool write_beside(const char *name, const char *path, const char *text, size_t len)
{
    struct stat st;
    unlink(name); /* what a process that was killed left */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool good = stat(path, &st) == 0 && fchmod(fd, 0600) == 0 &&
                (st.st_uid == geteuid() || fchown(fd, st.st_uid, st.st_gid) == 0) &&
                write_all(fd, text, len) && fsync(fd) == 0;
    int errnum = errno;
    close(fd);
    if (!good) {
        unlink(name);
    }
    errno = errnum;
    return good;
}

static bool sync_replaced(const char *path)
{
    if (PV_FAULT_FAILS("keys.sync")) {
        errno = EIO;
        return false;
    }
    return pv_folder_sync(path) == 0;
}

/* The old file keeps a second name until the new one is durable: it comes back when that fails. */
static bool replace(const char *path, const char *fresh, const char *kept)
{
    unlink(kept);
    if (link(path, kept) != 0) {
        return false;
    }
    PV_FAULT("keys.rename.before");
    bool renamed = rename(fresh, path) == 0;
    PV_FAULT("keys.rename.after");
    bool good = renamed && sync_replaced(path);
    int errnum = errno;
    if (!good && renamed && rename(kept, path) == 0) {
        (void)pv_folder_sync(path);
    } else {
        unlink(kept);
    }
    errno = errnum;
    return good;
}

static int replace_file(const char *path, const char *text, size_t len, struct pv_err *err)
{
    /* Where `path` is a link, what it leads to is replaced, not the link. */
    char real[PATH_MAX];
    char fresh[PATH_MAX + 8];
    char kept[PATH_MAX + 8];
    if (!realpath(path, real)) {
        return errno_err(err, "replace", path);
    }
    snprintf(fresh, sizeof(fresh), "%s.new", real);
    snprintf(kept, sizeof(kept), "%s.old", real);
    if (!write_beside(fresh, real, text, len)) {
        return errno_err(err, "replace", path);
    }
    int status = replace(real, fresh, kept) ? PV_OK : errno_err(err, "replace", path);
    if (status) {
        unlink(fresh);
    }
    return status;
}

int pv_keyring_rotate(struct pv_keyring *keyring, const char *path, uint32_t *ret_id,
                      struct pv_err *err)
{
    char text[MAX_FILE];
    char hex[2 * PV_SEALING_KEY + 1];
    size_t len = 0;
    struct pv_key key;
    int status = read_again(keyring, path, text, &len, &key.id, err);
    if (!status) {
        randombytes_buf(key.bytes, sizeof(key.bytes));
        pv_hex(key.bytes, sizeof(key.bytes), hex);
        const char *end = len > 0 && text[len - 1] != '\n' ? "\n" : "";
        int more = snprintf(text + len, sizeof(text) - len, "%skey %lu %s\n", end,
                            (unsigned long)key.id, hex);
        status = replace_file(path, text, len + (size_t)more, err);
    }
    if (!status) {
        size_t count = pv_keyring_count(keyring);
        keyring->keys[count] = key;
        atomic_store_explicit(&keyring->count, count + 1, memory_order_release);
        *ret_id = key.id;
    }
    pv_wipe(&key, sizeof(key));
    pv_wipe(hex, sizeof(hex));
    pv_wipe(text, sizeof(text));
    return status;
}

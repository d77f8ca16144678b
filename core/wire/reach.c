/* SPDX-License-Identifier: Apache-2.0 */
/* The reach as bytes: version, flags, and its texts, each with its length. */
#include "core/wire/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int pv_reach_add(struct pv_reach_paths *paths, struct pv_str path)
{
    if (paths->count == PV_REACH_PATHS_MAX) {
        return PV_ETOOBIG;
    }
    paths->items[paths->count] = path;
    paths->count++;
    return 0;
}

int pv_reach_make(const struct pv_reach_parts *parts, struct pv_reach *ret_reach,
                  struct pv_err *err)
{
    struct pv_reach reach = {
        .flags = (parts->required ? 0u : PV_REACH_BEST_EFFORT) |
                 (parts->confined ? 0u : PV_REACH_UNCONFINED),
        .data_dir = parts->data_dir,
        .module = parts->command != NULL ? PV_STR("") : parts->module,
    };
    struct pv_reach_paths *const kinds[PV_REACH_KINDS] = {
        [PV_REACH_READ] = &reach.read,
        [PV_REACH_WRITE] = &reach.write,
        [PV_REACH_EXEC] = &reach.exec,
        [PV_REACH_UNIX_SOCKETS] = &reach.unix_sockets,
    };
    int status = 0;
    for (size_t kind = 0; kind < PV_REACH_KINDS; kind++) {
        const struct pv_strs *granted = &parts->granted[kind];
        for (size_t i = 0; i < granted->count && status == 0; i++) {
            status = pv_reach_add(kinds[kind], granted->items[i]);
        }
    }
    if (status != 0) {
        return pv_err_set(err, status, "grants: more than %d paths of one kind",
                          PV_REACH_PATHS_MAX);
    }
    for (size_t i = 0; parts->command != NULL && parts->command[i] != NULL && status == 0; i++) {
        status = pv_reach_add(&reach.command, pv_str(parts->command[i]));
    }
    if (status != 0) {
        return pv_err_set(err, status, "the command has too many words");
    }
    *ret_reach = reach;
    return 0;
}

static void put_paths(struct pv_buf *out, const struct pv_reach_paths *paths)
{
    pv_buf_u32(out, (uint32_t)paths->count);
    for (size_t i = 0; i < paths->count; i++) {
        pv_buf_lstr(out, paths->items[i]);
    }
}

void pv_reach_put(struct pv_buf *out, const struct pv_reach *reach)
{
    pv_buf_u32(out, PV_REACH_VERSION);
    pv_buf_u32(out, reach->flags);
    pv_buf_u32(out, reach->uid);
    pv_buf_u32(out, reach->gid);
    pv_buf_lstr(out, reach->data_dir);
    pv_buf_lstr(out, reach->module);
    put_paths(out, &reach->read);
    put_paths(out, &reach->write);
    put_paths(out, &reach->exec);
    put_paths(out, &reach->unix_sockets);
    put_paths(out, &reach->command);
}

static int get_paths(struct pv_reader *reader, struct pv_reach_paths *paths)
{
    uint32_t count = pv_read_u32(reader);
    if (count > PV_REACH_PATHS_MAX) {
        return PV_ETOOBIG;
    }
    paths->count = 0;
    while (paths->count < count && reader->status == 0) {
        paths->items[paths->count] = pv_read_lstr(reader);
        paths->count++;
    }
    return reader->status;
}

int pv_reach_get(struct pv_str bytes, struct pv_reach *ret_reach)
{
    struct pv_reader reader = pv_reader(bytes);
    struct pv_reach reach = {0};
    if (pv_read_u32(&reader) != PV_REACH_VERSION) {
        return reader.status != 0 ? reader.status : PV_EUNSUPPORTED;
    }
    reach.flags = pv_read_u32(&reader);
    reach.uid = pv_read_u32(&reader);
    reach.gid = pv_read_u32(&reader);
    reach.data_dir = pv_read_lstr(&reader);
    reach.module = pv_read_lstr(&reader);
    struct pv_reach_paths *const all[] = {&reach.read, &reach.write, &reach.exec,
                                          &reach.unix_sockets, &reach.command};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int status = get_paths(&reader, all[i]);
        if (status != 0) {
            return status;
        }
    }
    int status = pv_reader_end(&reader);
    if (status == 0) {
        *ret_reach = reach;
    }
    return status;
}

static int put_in_file(struct pv_str bytes, int *ret_fd, struct pv_err *err)
{
    int fd = memfd_create("provost-reach", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "memfd: %s", strerror(errno));
    }
    ssize_t written = pwrite(fd, bytes.ptr, bytes.len, 0);
    if (written < 0 || (size_t)written != bytes.len ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int errnum = errno;
        close(fd);
        return pv_err_set(err, pv_status_from_errno(errnum), "reach: %s", strerror(errnum));
    }
    *ret_fd = fd;
    return 0;
}

int pv_reach_to_fd(const struct pv_reach *reach, int *ret_fd, struct pv_err *err)
{
    struct pv_buf bytes;
    pv_buf_init(&bytes, PV_REACH_BYTES_MAX);
    pv_reach_put(&bytes, reach);
    int status = bytes.status == 0
                     ? put_in_file(pv_buf_view(&bytes), ret_fd, err)
                     : pv_err_set(err, bytes.status, "reach: %s", pv_status_text(bytes.status));
    pv_buf_done(&bytes);
    return status;
}

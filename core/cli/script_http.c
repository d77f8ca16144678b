/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the scripted backend. */
#include "core/cli/script_http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define REQUEST_CAP ((size_t)20 * 1024 * 1024)
#define HEAD_MAX 65536

void pv_request_init(struct pv_request *request)
{
    *request = (struct pv_request){0};
    pv_buf_init(&request->bytes, REQUEST_CAP);
}

void pv_request_done(struct pv_request *request)
{
    pv_buf_done(&request->bytes);
}

static int more(struct pv_request *request, int fd)
{
    char chunk[16384];
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    while (n < 0 && errno == EINTR) {
        n = recv(fd, chunk, sizeof(chunk), 0);
    }
    return n > 0 ? pv_buf_put(&request->bytes, chunk, (size_t)n) : PV_ECLOSED;
}

/* The next word of a line, up to a space. */
static struct pv_str word(struct pv_str *line)
{
    const char *space = memchr(line->ptr, ' ', line->len);
    size_t len = space != NULL ? (size_t)(space - line->ptr) : line->len;
    struct pv_str found = {line->ptr, len};
    size_t used = space != NULL ? len + 1 : len;
    *line = (struct pv_str){line->ptr + used, line->len - used};
    return found;
}

/* Sets method, path and headers; `head` is all before the empty line. */
static int understand(struct pv_request *request, struct pv_str head)
{
    const char *end = memmem(head.ptr, head.len, "\r\n", 2);
    struct pv_str line = {head.ptr, end != NULL ? (size_t)(end - head.ptr) : 0};
    size_t used = line.len + 2;
    request->method = word(&line);
    request->path = word(&line);
    request->headers = (struct pv_str){head.ptr + used, head.len - used};
    return request->method.len > 0 && request->path.len > 0 && pv_str_starts(line, "HTTP/1.")
               ? 0
               : PV_ESYNTAX;
}

struct pv_str pv_request_header(const struct pv_request *request, const char *name)
{
    struct pv_str left = request->headers;
    size_t name_len = strlen(name);
    while (left.len > 0) {
        const char *end = memmem(left.ptr, left.len, "\r\n", 2);
        size_t len = end != NULL ? (size_t)(end - left.ptr) : left.len;
        if (len > name_len && left.ptr[name_len] == ':' &&
            strncasecmp(left.ptr, name, name_len) == 0) {
            struct pv_str value = {left.ptr + name_len + 1, len - name_len - 1};
            while (value.len > 0 && value.ptr[0] == ' ') {
                value = (struct pv_str){value.ptr + 1, value.len - 1};
            }
            return value;
        }
        size_t used = end != NULL ? len + 2 : len;
        left = (struct pv_str){left.ptr + used, left.len - used};
    }
    return (struct pv_str){NULL, 0};
}

int pv_request_read(struct pv_request *request, int fd)
{
    const char *end = NULL;
    while (end == NULL) {
        int status = request->bytes.len > HEAD_MAX ? PV_ETOOBIG : more(request, fd);
        if (status != 0) {
            return status;
        }
        end = memmem(request->bytes.ptr, request->bytes.len, "\r\n\r\n", 4);
    }
    size_t head = (size_t)(end - request->bytes.ptr) + 2;
    int status = understand(request, (struct pv_str){request->bytes.ptr, head});
    int64_t body = 0;
    struct pv_str length = pv_request_header(request, "Content-Length");
    if (status == 0 && length.ptr != NULL && (pv_str_to_i64(length, &body) != 0 || body < 0)) {
        status = PV_ESYNTAX;
    }
    size_t total = head + 2 + (size_t)body;
    while (status == 0 && request->bytes.len < total) {
        status = more(request, fd);
    }
    if (status != 0) {
        return status;
    }
    request->body = (struct pv_str){request->bytes.ptr + head + 2, (size_t)body};
    /* The bytes may have moved while the body was read. */
    return understand(request, (struct pv_str){request->bytes.ptr, head});
}

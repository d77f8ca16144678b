/* SPDX-License-Identifier: Apache-2.0 */
/* Reading URLs and header lines. */
#include "core/net/url.h"

#include "core/base/alloc.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)

void pv_url_done(struct pv_url *url)
{
    pv_free(url->url);
    pv_free(url->shown);
    pv_free(url->host);
    pv_free(url->port);
    pv_free(url->socket_path);
    *url = (struct pv_url){0};
}

static bool is_literal(const char *host)
{
    unsigned char bytes[16];
    char inner[64];
    size_t len = strlen(host);
    if (inet_pton(AF_INET, host, bytes) == 1) {
        return true;
    }
    if (host[0] != '[' || len < 3 || len >= sizeof(inner)) {
        return false;
    }
    return true; /* libcurl has checked what stands in the brackets */
}

/* Copies one part of a URL; "" when it has none. */
static int get_part(CURLU *parts, CURLUPart which, unsigned flags, char **ret)
{
    char *part = NULL;
    CURLUcode code = curl_url_get(parts, which, &part, flags);
    char *copy = NULL;
    if (code == CURLUE_OUT_OF_MEMORY) {
        return PV_ENOMEM;
    }
    copy = pv_strdup(code == CURLUE_OK ? part : "");
    curl_free(part);
    *ret = copy;
    return copy != NULL ? 0 : PV_ENOMEM;
}

static char *join(const char *begin, size_t begin_len, const char *end, size_t end_len)
{
    char *joined = pv_malloc(begin_len + end_len + 1);
    if (joined != NULL) {
        memcpy(joined, begin, begin_len);
        memcpy(joined + begin_len, end, end_len);
        joined[begin_len + end_len] = '\0';
    }
    return joined;
}

/* A URL as libcurl writes it, without user, password, query and fragment. */
static char *without_secrets(const char *url)
{
    const char *begin = strstr(url, "://");
    size_t scheme = begin != NULL ? (size_t)(begin - url) + 3 : 0;
    const char *host = url + scheme;
    const char *path = host + strcspn(host, "/?#");
    for (const char *p = host; p < path; p++) {
        host = *p == '@' ? p + 1 : host;
    }
    return join(url, scheme, host, strcspn(host, "?#"));
}

/* Sets what libcurl is given and what logs may show. */
static int finish_url(CURLU *parts, struct pv_url *u)
{
    size_t len = strlen(u->host);
    if (len > 1 && u->host[len - 1] == '.') {
        u->host[len - 1] = '\0';
        if (curl_url_set(parts, CURLUPART_HOST, u->host, 0) != CURLUE_OK) {
            return PV_ENOMEM;
        }
    }
    int status = get_part(parts, CURLUPART_URL, 0, &u->url);
    if (status == 0) {
        u->shown = without_secrets(u->url);
        status = u->shown != NULL ? 0 : PV_ENOMEM;
    }
    return status;
}

static int parse_tcp(const char *text, struct pv_url *u, struct pv_err *err)
{
    CURLU *parts = curl_url();
    if (parts == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    char *scheme = NULL;
    int status = 0;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, text, 0);
    if (code != CURLUE_OK) {
        status = pv_err_set(err, PV_EINVAL, "not a URL: %s", curl_url_strerror(code));
        goto out;
    }
    status = get_part(parts, CURLUPART_SCHEME, 0, &scheme);
    if (status == 0 && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        status = pv_err_set(err, PV_EINVAL, "the URL must begin with http://, https:// or unix:/");
        goto out;
    }
    if (status == 0) {
        status = get_part(parts, CURLUPART_HOST, 0, &u->host);
    }
    if (status == 0) {
        status = get_part(parts, CURLUPART_PORT, CURLU_DEFAULT_PORT, &u->port);
    }
    for (const char *p = u->host; status == 0 && *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80 || *p == ',') {
            status = pv_err_set(err, PV_EINVAL, "the host name must be in its ASCII form (xn--…)");
            goto out;
        }
    }
    if (status == 0) {
        status = finish_url(parts, u);
    }
    if (status == 0) {
        u->literal = is_literal(u->host);
    } else {
        pv_err_set(err, status, "out of memory");
    }
out:
    pv_free(scheme);
    curl_url_cleanup(parts);
    return status;
}

static int parse_unix(const char *text, struct pv_url *u, struct pv_err *err)
{
    const char *path = text + strlen("unix:");
    const char *colon = strchr(path, ':');
    size_t len = colon != NULL ? (size_t)(colon - path) : strlen(path);
    const char *rest = colon != NULL ? colon + 1 : "/";
    struct sockaddr_un address;
    if (path[0] != '/' || len >= sizeof(address.sun_path) || rest[0] != '/') {
        return pv_err_set(err, PV_EINVAL,
                          "write unix:/path/to.sock:/request/path, with a path of "
                          "fewer than %zu bytes",
                          sizeof(address.sun_path));
    }
    char *socket_path = pv_strndup(path, len);
    size_t size = strlen(rest) + 32;
    char *url = pv_malloc(size);
    int status = socket_path != NULL && url != NULL ? 0 : PV_ENOMEM;
    if (status == 0) {
        snprintf(url, size, "http://localhost%s", rest);
        status = parse_tcp(url, u, err);
    } else {
        pv_err_set(err, status, "out of memory");
    }
    pv_free(url);
    if (status != 0) {
        pv_free(socket_path);
        return status;
    }
    u->socket_path = socket_path;
    return 0;
}

int pv_url_parse(const char *text, struct pv_url *ret_url, struct pv_err *err)
{
    struct pv_url u = {0};
    int status = 0;
    if (text == NULL) {
        return pv_err_set(err, PV_EINVAL, "the URL is missing");
    }
    if (strncmp(text, "unix:", 5) == 0) {
        status = parse_unix(text, &u, err);
    } else {
        status = parse_tcp(text, &u, err);
    }
    if (status != 0) {
        pv_url_done(&u);
        return status;
    }
    *ret_url = u;
    return 0;
}

void pv_url_server_done(struct pv_url_server *server)
{
    pv_free(server->text);
    pv_url_done(&server->url);
    *server = (struct pv_url_server){0};
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* How long scheme and authority are, of a URL that can be put together again from them and what
 * follows: names, numbers and slashes that libcurl takes as they stand. 0: it is another one. */
static size_t plain_begin(const char *text)
{
    size_t len = strspn(text, ALNUM "+-.");
    if (len == 0 || strncmp(text + len, "://", 3) != 0) {
        return 0;
    }
    len += 3;
    len += strspn(text + len, ALNUM ".-:");
    const char *path = text + len;
    bool plain = path[0] == '/' && path[strspn(path, ALNUM "/_~.-=&?,:+")] == '\0' &&
                 strstr(path, "/.") == NULL;
    return plain ? len : 0;
}

static void remember(struct pv_url_server *server, const char *text, size_t len,
                     const struct pv_url *u)
{
    size_t path = strlen(text + len);
    size_t whole = strlen(u->url);
    pv_url_server_done(server);
    if (u->socket_path != NULL || whole < path || strcmp(u->url + whole - path, text + len) != 0) {
        return;
    }
    server->begin_len = whole - path;
    server->text = pv_strndup(text, len);
    server->url = (struct pv_url){.url = pv_strndup(u->url, whole - path),
                                  .host = pv_strdup(u->host),
                                  .port = pv_strdup(u->port),
                                  .literal = u->literal};
    if (server->text == NULL || server->url.url == NULL || server->url.host == NULL ||
        server->url.port == NULL) {
        pv_url_server_done(server);
    }
}

int pv_url_parse_at(struct pv_url_server *server, const char *text, struct pv_url *ret_url,
                    struct pv_err *err)
{
    size_t len = text != NULL ? plain_begin(text) : 0;
    if (len == 0 || server->text == NULL || strlen(server->text) != len ||
        memcmp(server->text, text, len) != 0) {
        int status = pv_url_parse(text, ret_url, err);
        if (status == 0 && len > 0) {
            remember(server, text, len, ret_url);
        }
        return status;
    }
    const struct pv_url *known = &server->url;
    const char *path = text + len;
    struct pv_url u = {.url = join(known->url, server->begin_len, path, strlen(path)),
                       .shown = join(known->url, server->begin_len, path, strcspn(path, "?")),
                       .host = pv_strdup(known->host),
                       .port = pv_strdup(known->port),
                       .literal = known->literal};
    if (u.url == NULL || u.shown == NULL || u.host == NULL || u.port == NULL) {
        pv_url_done(&u);
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    *ret_url = u;
    return 0;
}

int64_t pv_url_retry_after(struct pv_str value, int64_t wall_ms)
{
    int64_t seconds = 0;
    if (pv_str_to_i64(value, &seconds) == 0) {
        if (seconds < 0) {
            return -1;
        }
        return seconds < DAY_MS / 1000 ? seconds * 1000 : DAY_MS;
    }
    char text[64];
    if (pv_str_to_c(value, text, sizeof(text)) != 0) {
        return -1;
    }
    time_t when = curl_getdate(text, NULL);
    if (when < 0) {
        return -1;
    }
    int64_t left = (int64_t)when * 1000 - wall_ms;
    return left < 0 ? 0 : left < DAY_MS ? left : DAY_MS;
}

struct pv_str pv_url_header(struct pv_str lines, const char *name)
{
    size_t name_len = strlen(name);
    const char *p = lines.ptr;
    const char *end = lines.ptr + lines.len;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *stop = eol != NULL ? eol : end;
        if ((size_t)(stop - p) > name_len && p[name_len] == ':' &&
            strncasecmp(p, name, name_len) == 0) {
            p += name_len + 1;
            while (p < stop && (*p == ' ' || *p == '\t')) {
                p++;
            }
            while (stop > p && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) {
                stop--;
            }
            return (struct pv_str){p, (size_t)(stop - p)};
        }
        p = eol != NULL ? eol + 1 : end;
    }
    return (struct pv_str){NULL, 0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the admin socket: libcurl's easy interface over a Unix socket. */
#include "core/cli/client.h"

#include "core/base/alloc.h"
#include "core/config/config.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef PV_DEFAULT_SOCKET
#define PV_DEFAULT_SOCKET "/run/provost/admin.sock"
#endif
#define ANSWER_MAX ((size_t)64 * 1024 * 1024)
#define CALL_TIMEOUT_S 60 /* beyond what the call itself asks to wait */

struct pv_client {
    CURL *curl;
    char *socket;
};

static int copy(const char *text, char **ret, struct pv_err *err)
{
    *ret = pv_strdup(text);
    return *ret != NULL ? 0 : pv_err_set(err, PV_ENOMEM, "out of memory");
}

static int of_config(const char *file, char **ret_path, struct pv_err *err)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_config *config = NULL;
    int status = pv_config_load_client(file, &problems, &config);
    if (status == 0) {
        *ret_path = pv_strndup(config->admin_socket.ptr, config->admin_socket.len);
        status = *ret_path != NULL ? 0 : pv_err_set(err, PV_ENOMEM, "out of memory");
    } else {
        struct pv_buf text;
        pv_buf_init(&text, sizeof(err->text));
        pv_problems_print(&problems, &text);
        pv_err_set(err, status, "%s",
                   text.ptr != NULL && text.len > 0 ? text.ptr : pv_status_text(status));
        pv_buf_done(&text);
        for (size_t len = strlen(err->text); len > 0 && err->text[len - 1] == '\n'; len--) {
            err->text[len - 1] = '\0';
        }
    }
    pv_config_free(config);
    pv_problems_done(&problems);
    return status;
}

int pv_client_socket(const char *given, const char *config, char **ret_path, struct pv_err *err)
{
    if (given != NULL) {
        return copy(given, ret_path, err);
    }
    if (config != NULL) {
        return of_config(config, ret_path, err);
    }
    const char *environment = getenv("PROVOST_SOCKET");
    bool named = environment != NULL && environment[0] != '\0';
    return copy(named ? environment : PV_DEFAULT_SOCKET, ret_path, err);
}

int pv_client_new(const char *socket, struct pv_client **ret_client, struct pv_err *err)
{
    if (strlen(socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return pv_err_set(err, PV_ETOOBIG, "the path of the admin socket is too long: %s", socket);
    }
    struct pv_client *client = pv_calloc(1, sizeof(*client));
    if (client == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    client->socket = pv_strdup(socket);
    client->curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
    if (client->socket == NULL || client->curl == NULL) {
        pv_client_free(client);
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    *ret_client = client;
    return 0;
}

void pv_client_free(struct pv_client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        pv_free(client->socket);
        pv_free(client);
        curl_global_cleanup();
    }
}

void pv_answer_done(struct pv_answer *answer)
{
    pv_free(answer->text);
    json_decref(answer->json);
    *answer = (struct pv_answer){0};
}

/* libcurl keeps why connect failed to itself for some sockets: asked again here. */
static int connect_error(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    int errnum = connected ? ECONNREFUSED : errno;
    close(fd);
    return errnum;
}

static int unreachable(const char *path, struct pv_err *err)
{
    int errnum = connect_error(path);
    switch (errnum) {
    case EACCES:
    case EPERM:
        return pv_err_set(err, PV_EDENIED,
                          "you may not use the admin socket %s: become root, or a member of its "
                          "group (`sudo adduser $USER provost-admin`, then log in again)",
                          path);
    case ENOENT:
    case ENOTDIR:
        return pv_err_set(err, PV_ECLOSED,
                          "there is no admin socket at %s: start provostd (`systemctl start "
                          "provostd`), or say where its socket is with -c FILE, --socket PATH or "
                          "PROVOST_SOCKET",
                          path);
    case ECONNREFUSED:
        return pv_err_set(err, PV_ECLOSED,
                          "nothing listens on the admin socket %s: provostd has ended; start it "
                          "(`systemctl start provostd`)",
                          path);
    default:
        return pv_err_set(err, PV_ECLOSED, "cannot connect to the admin socket %s: %s", path,
                          strerror(errnum));
    }
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    return pv_buf_put(user, bytes, size * count) == 0 ? size * count : 0;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct pv_buf line;
    pv_buf_init(&line, 8192);
    pv_buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *longer = line.status == 0 ? curl_slist_append(*list, line.ptr) : NULL;
    pv_buf_done(&line);
    *list = longer != NULL ? longer : *list;
    return longer != NULL;
}

static bool add_headers(struct curl_slist **list, const struct pv_client_request *request)
{
    bool ok = add_header(list, "Accept", "application/json") && add_header(list, "Expect", "");
    if (request->body != NULL) {
        ok = ok && add_header(list, "Content-Type",
                              request->type != NULL ? request->type : "application/json");
    }
    if (request->idempotency != NULL) {
        ok = ok && add_header(list, "Idempotency-Key", request->idempotency);
    }
    if (request->wait_s > 0) {
        char wait[40];
        snprintf(wait, sizeof(wait), "wait=%lld", (long long)request->wait_s);
        ok = ok && add_header(list, "Prefer", wait);
    }
    return ok;
}

static void set_up(CURL *curl, const struct pv_client_request *request, const char *socket,
                   const char *url, struct curl_slist *headers, struct pv_buf *body)
{
    const char *method = request->method != NULL ? request->method : "GET";
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)(CALL_TIMEOUT_S + request->wait_s));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (request->body != NULL || strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
}

static int lost(CURLcode code, const char *path, const struct pv_buf *body, struct pv_err *err)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return unreachable(path, err);
    case CURLE_OPERATION_TIMEDOUT:
        return pv_err_set(err, PV_ETIMEOUT, "the daemon on %s does not answer", path);
    case CURLE_WRITE_ERROR:
        return pv_err_set(err, body->status, "the daemon's answer: %s",
                          pv_status_text(body->status));
    default:
        return pv_err_set(err, PV_EIO, "the daemon on %s broke off: %s", path,
                          curl_easy_strerror(code));
    }
}

static int take(CURL *curl, struct pv_buf *body, struct pv_answer *answer, struct pv_err *err)
{
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_off_t after = 0;
    bool said = curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0;
    answer->retry_after_s = said ? (long)after : -1;
    if (pv_buf_finish(body, &answer->text, &answer->len) != 0) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    answer->json = json_loadb(answer->text, answer->len, JSON_DECODE_ANY, NULL);
    return 0;
}

int pv_client_call(struct pv_client *client, const struct pv_client_request *request,
                   struct pv_answer *ret_answer, struct pv_err *err)
{
    struct pv_buf url;
    struct pv_buf body;
    struct curl_slist *headers = NULL;
    struct pv_answer answer = {.retry_after_s = -1};
    pv_buf_init(&url, 64u * 1024);
    pv_buf_init(&body, ANSWER_MAX);
    pv_buf_printf(&url, "http://provost%s", request->path);
    int status = url.status;
    if (status == 0 && !add_headers(&headers, request)) {
        status = PV_ENOMEM;
    }
    if (status != 0) {
        pv_err_set(err, status, "%s", pv_status_text(status));
        goto out;
    }
    set_up(client->curl, request, client->socket, url.ptr, headers, &body);
    CURLcode code = curl_easy_perform(client->curl);
    status = code == CURLE_OK ? take(client->curl, &body, &answer, err)
                              : lost(code, client->socket, &body, err);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    if (status == 0) {
        *ret_answer = answer;
    }
out:
    curl_slist_free_all(headers);
    pv_buf_done(&body);
    pv_buf_done(&url);
    return status;
}

void pv_url_put(struct pv_buf *buf, const char *text)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (; *text != '\0'; text++) {
        if (strchr(kept, *text) != NULL) {
            pv_buf_char(buf, *text);
        } else {
            pv_buf_printf(buf, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The options of libcurl that do not depend on who sends. */
#include "core/net/request.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

/* Of what is read at once. It is there from before the request is sent until the answer was read,
 * so of thousands that wait for a slow backend each has one. */
#define BUFFER_BYTES 4096L

int pv_request_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL) {
        return PV_ENOMEM;
    }
    *list = longer;
    return 0;
}

/* "host:port:address,address": libcurl never looks a name up. */
static int resolve(const struct pv_request *request, struct curl_slist **ret_resolve)
{
    const struct pv_url *url = request->url;
    size_t size = strlen(url->host) + strlen(url->port) + strlen(request->addresses) + 3;
    char *line = pv_malloc(size);
    if (line == NULL) {
        return PV_ENOMEM;
    }
    snprintf(line, size, "%s:%s:%s", url->host, url->port, request->addresses);
    int status = pv_request_header(ret_resolve, line);
    pv_free(line);
    return status;
}

/* libcurl copies texts; one that it had no room for would silently be as if it were not set. */
static int set_texts(CURL *easy, const struct pv_request *request)
{
    const struct {
        CURLoption option;
        const char *text; /* NULL: stays unset */
    } texts[] = {
        {CURLOPT_URL, request->url->url},
        {CURLOPT_PROTOCOLS_STR, "http,https"},
        {CURLOPT_PROXY, ""},
        {CURLOPT_USERAGENT, request->user_agent},
        {CURLOPT_CAINFO, request->ca_file},
        {CURLOPT_UNIX_SOCKET_PATH, request->url->socket_path},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text != NULL &&
            curl_easy_setopt(easy, texts[i].option, texts[i].text) != CURLE_OK) {
            return PV_ENOMEM;
        }
    }
    return 0;
}

int pv_request_set(CURL *easy, const struct pv_request *request, struct curl_slist **ret_resolve)
{
    struct curl_slist *addresses = NULL;
    if (set_texts(easy, request) != 0) {
        return PV_ENOMEM;
    }
    if (request->addresses != NULL && request->addresses[0] != '\0' &&
        resolve(request, &addresses) != 0) {
        return PV_ENOMEM;
    }
    long timeout = request->timeout_ms;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout < PV_REQUEST_CONNECT_MS ? timeout : PV_REQUEST_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, request->idle_reuse_s);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, request->head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request->user);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, request->body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request->user);
    if (addresses != NULL) {
        curl_easy_setopt(easy, CURLOPT_RESOLVE, addresses);
    }
    *ret_resolve = addresses;
    return 0;
}

void pv_request_body(CURL *easy, struct pv_str body)
{
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr != NULL ? body.ptr : "");
}

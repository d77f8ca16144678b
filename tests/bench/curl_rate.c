/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl's multi interface gets answered a second by a server: POSTs of a small JSON body, so
 * many at once, connections kept, and nothing done with the answers. The most that steps of one
 * request each could reach here. Prints answers a second. usage: curl_rate URL SECONDS IN_FLIGHT */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_IN_FLIGHT = 1000 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t swallow(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes;
    (void)user;
    return size * count;
}

static CURL *request(const char *url, const struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "{\"ref\":\"00000000000000000000000000\"}");
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    return easy;
}

/* Those that have ended are sent again; how many were answered well, or -1. */
static long reap(CURLM *multi)
{
    long answered = 0;
    int left = 0;
    for (CURLMsg *msg = curl_multi_info_read(multi, &left); msg;
         msg = curl_multi_info_read(multi, &left)) {
        CURL *easy = msg->easy_handle;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (msg->data.result != CURLE_OK || status < 200 || status > 299) {
            fprintf(stderr, "curl_rate: %s, status %ld\n", curl_easy_strerror(msg->data.result),
                    status);
            return -1;
        }
        answered++;
        curl_multi_remove_handle(multi, easy);
        curl_multi_add_handle(multi, easy);
    }
    return answered;
}

static double measure(CURLM *multi, double seconds)
{
    double begin = now_s();
    double took = 0;
    long count = 0;
    while (took < seconds) {
        int running = 0;
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            return -1;
        }
        long answered = reap(multi);
        /* What was just sent again has to be begun before there is something to wait for. */
        if (answered < 0 ||
            (answered == 0 && curl_multi_poll(multi, NULL, 0, 1000, NULL) != CURLM_OK)) {
            return -1;
        }
        count += answered;
        took = now_s() - begin;
    }
    return (double)count / took;
}

int main(int argc, char **argv)
{
    double seconds = argc == 4 ? strtod(argv[2], NULL) : 0;
    long in_flight = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (seconds <= 0 || in_flight < 1 || in_flight > MAX_IN_FLIGHT) {
        fprintf(stderr, "usage: curl_rate URL SECONDS IN_FLIGHT\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, in_flight);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    static CURL *all[MAX_IN_FLIGHT];
    bool fine = multi && headers;
    for (long i = 0; fine && i < in_flight; i++) {
        all[i] = request(argv[1], headers);
        fine = all[i] && curl_multi_add_handle(multi, all[i]) == CURLM_OK;
    }
    double rate = fine ? measure(multi, seconds) : -1;
    if (rate >= 0) {
        printf("%.1f\n", rate);
    }
    for (long i = 0; i < in_flight && all[i]; i++) {
        curl_multi_remove_handle(multi, all[i]);
        curl_easy_cleanup(all[i]);
    }
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    curl_global_cleanup();
    return rate < 0;
}

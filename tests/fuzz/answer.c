/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of backends to the http plugin: "STATUS\nBODY". Whatever comes, a mapping gives what it
 * promises or says why not, and what people are shown is short, one line and UTF-8. */
#include "plugins/http/answer.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "200\n{\"id\":1,\"data\":{\"name\":\"x\",\"list\":[1,2]}}",
        "409\n{\"success\":false,\"error\":\"<b>Quota</b> exceeded &amp; so on\"}",
        "500\n<html><head><title>x</title></head><body><script>a<b</script>oops</body></html>",
        "500\n{\"error\":\"API POST /x failed: HTTP 500: no\"}",
        "200\n{\"id\":",
        "502\n\xC3",
        "200\n[]",
        "404\n<",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == 0;
}

static void look(const struct http_answer *answer)
{
    char why[HTTP_WHY_MAX] = "";
    char said[HTTP_SAID_MAX];
    json_t *mapping = json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:i}, s:{s:s, s:b}}", "id", "/id",
                                "name", "from", "/data/name", "type", "string", "n", "from",
                                "/data/list/1", "default", 5, "all", "from", "", "optional", 1);
    json_t *into = json_object();
    json_t *scope = json_object();
    FUZZ_CHECK(mapping != NULL && into != NULL && scope != NULL);
    int error = http_map(mapping, answer, scope, into, why);
    FUZZ_CHECK(error == 0 || why[0] != '\0');
    if (error == 0) {
        FUZZ_CHECK(json_object_get(into, "id") != NULL);
        FUZZ_CHECK(json_is_string(json_object_get(into, "name")));
        FUZZ_CHECK(json_object_get(into, "n") != NULL);
    }
    json_t *match = json_pack("[s, {s:i, s:{s:s, s:{s:b}}}]", "2xx", "status", 409, "body",
                              "/error", "x", "/id", "exists", 1);
    FUZZ_CHECK(http_match_check(match, why) == 0);
    FUZZ_CHECK(http_match(match, answer) || answer->status < 200 || answer->status > 299);
    http_said(NULL, answer, said);
    FUZZ_CHECK(strlen(said) < HTTP_SAID_MAX && strpbrk(said, "\r\n\t") == NULL);
    json_t *text = json_string(said);
    FUZZ_CHECK(text != NULL);
    json_decref(text);
    json_decref(match);
    json_decref(scope);
    json_decref(into);
    json_decref(mapping);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *body = strchr(text, '\n');
    body = body != NULL ? body + 1 : text;
    size_t length = size - (size_t)(body - text);
    json_t *json = json_loadb(body, length, JSON_DECODE_ANY, NULL);
    const struct http_answer answer = {
        .status = atoi(text) % 600, .text = body, .length = length, .json = json};
    look(&answer);
    json_decref(json);
    free(text);
    return 0;
}

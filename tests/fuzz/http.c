/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies of HTTP requests: however the bytes are cut, they are read alike, and nothing
 * that is read lies outside of them. */
#include "core/api/httpparse.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "GET /v1/services?limit=3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer provost_1\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: "
         "x\r\n\r\n"),
        "OPTIONS * HTTP/1.0\r\nConnection: keep-alive, close\r\nExpect: 100-continue\r\n\r\n",
        "\r\nGET http://host/x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static bool within(struct pv_str part, struct pv_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static enum pv_http_parsed in_steps(struct pv_http_head *head, struct pv_str text, size_t step,
                                    struct pv_http_refusal *refusal)
{
    enum pv_http_parsed parsed = PV_HTTP_MORE;
    for (size_t len = 0; len < text.len && parsed == PV_HTTP_MORE;) {
        len = text.len - len < step ? text.len : len + step;
        parsed = pv_http_head_read(head, (struct pv_str){text.ptr, len}, refusal);
    }
    return parsed;
}

static uint64_t read_chunks(struct pv_str text, size_t step, size_t *ret_used)
{
    struct pv_http_chunks chunks = {0};
    enum pv_http_parsed parsed = PV_HTTP_MORE;
    uint64_t sum = 0;
    size_t used = 0;
    while (used < text.len && parsed == PV_HTTP_MORE) {
        struct pv_str piece = {text.ptr + used, text.len - used < step ? text.len - used : step};
        struct pv_str data;
        struct pv_http_refusal refusal;
        size_t n = 0;
        parsed = pv_http_chunks_read(&chunks, piece, &n, &data, &refusal);
        FUZZ_CHECK(n > 0 && n <= piece.len && within(data, piece));
        for (size_t i = 0; i < data.len; i++) {
            sum = sum * 31 + (unsigned char)data.ptr[i];
        }
        used += n;
    }
    *ret_used = used;
    return sum + (uint64_t)parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_str text = {(const char *)data, size};
    struct pv_http_head head = {0};
    struct pv_http_head again = {0};
    struct pv_http_refusal refusal = {0};
    struct pv_http_refusal other = {0};
    enum pv_http_parsed parsed = in_steps(&head, text, SIZE_MAX, &refusal);
    enum pv_http_parsed bytes = in_steps(&again, text, 1, &other);
    FUZZ_CHECK(parsed == bytes);
    FUZZ_CHECK(refusal.status == other.status);
    FUZZ_CHECK((parsed == PV_HTTP_REFUSED) == (refusal.status >= 400));
    if (parsed == PV_HTTP_DONE) {
        FUZZ_CHECK(head.at == again.at && head.at <= size && head.at <= PV_HTTP_HEAD_MAX);
        struct pv_str path;
        struct pv_str query;
        pv_http_head_target(&head, text, &path, &query);
        FUZZ_CHECK(path.len > 0 && (path.ptr[0] == '/' || path.ptr[0] == '*'));
        FUZZ_CHECK(within(query, text));
        struct pv_str method = pv_http_head_method(&head, text);
        FUZZ_CHECK(within(method, text) && method.len > 0);
        for (size_t i = 0; i < method.len; i++) {
            FUZZ_CHECK(pv_is_token(method.ptr[i]));
        }
        FUZZ_CHECK(within(pv_http_head_field(&head, text, "Host"), text));
        FUZZ_CHECK(head.length >= 0 && !(head.chunked && head.lengths > 0));
        text = (struct pv_str){text.ptr + head.at, size - head.at};
    }
    size_t used = 0;
    size_t used_bytes = 0;
    FUZZ_CHECK(read_chunks(text, SIZE_MAX, &used) == read_chunks(text, 1, &used_bytes));
    FUZZ_CHECK(used == used_bytes);
    return 0;
}

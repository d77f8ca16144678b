/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of requests. What is accepted has a canonical form, which is accepted too and is its own.
 * All of it is JSON for those too who only ask whether bytes are. */
#include "core/api/json.h"
#include "core/base/jsontext.h"
#include "tests/fuzz/fuzz.h"

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "{\"id\":\"e-1\",\"service\":{\"id\":\"12\",\"product\":\"p\"}}",
        "[1,-2.5e3,0.1,true,false,null,\"\\u00e4\\ud83d\\ude00\\n\",{},[]]",
        " { \"b\" : [ [ [ ] ] ] , \"a\" : 1E400 } ",
        "\"caf\xC3\xA9\"",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static void canonical(const struct pv_json_doc *doc, size_t source_len, struct pv_buf *out)
{
    pv_buf_init(out, 6 * source_len + 16);
    FUZZ_CHECK(pv_json_canonical(doc, &doc->values[0], NULL, 0, out) == PV_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_str source = {(const char *)data, size};
    struct pv_json_doc doc = {0};
    struct pv_err err = {0};
    size_t offset = 0;
    bool valid = pv_json_text_valid(source);
    if (pv_json_parse(&doc, source, &offset, &err) != PV_OK) {
        FUZZ_CHECK(err.text[0] != '\0' && offset <= size);
        struct pv_json_position position = pv_json_position(source, offset);
        FUZZ_CHECK(position.offset == offset && position.line >= 1 && position.column >= 1);
        return 0;
    }
    FUZZ_CHECK(valid);
    FUZZ_CHECK(doc.count >= 1 && doc.values[0].end <= size && doc.values[0].next == doc.count);
    struct pv_buf first;
    canonical(&doc, size, &first);
    struct pv_json_doc second_doc = {0};
    FUZZ_CHECK(pv_json_parse(&second_doc, pv_buf_view(&first), &offset, &err) == PV_OK);
    struct pv_buf second;
    canonical(&second_doc, first.len, &second);
    FUZZ_CHECK(pv_str_eq(pv_buf_view(&first), pv_buf_view(&second)));
    pv_buf_done(&second);
    pv_json_done(&second_doc);
    pv_buf_done(&first);
    pv_json_done(&doc);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: growth, the cap, sticky errors, JSON strings, integers and the reader. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"

#include <string.h>

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 5000);
    assert_null(pv_buf_view(&buf).ptr);
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(pv_buf_char(&buf, (char)('a' + i % 26)), 0);
        assert_int_equal(strlen(buf.ptr), i + 1);
    }
    assert_int_equal(buf.ptr[4999], 'a' + 4999 % 26);
    assert_int_equal(pv_buf_char(&buf, 'x'), PV_ETOOBIG);
    assert_int_equal(buf.len, 5000);
    pv_buf_done(&buf);
    assert_null(buf.ptr);
    assert_int_equal(pv_buf_c(&buf, "again"), 0);
    pv_buf_done(&buf);
}

static void errors_stick_until_cleared(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 4);
    assert_int_equal(pv_buf_c(&buf, "abc"), 0);
    assert_int_equal(pv_buf_c(&buf, "de"), PV_ETOOBIG);
    assert_int_equal(pv_buf_char(&buf, 'd'), PV_ETOOBIG);
    assert_int_equal(pv_buf_printf(&buf, "%d", 1), PV_ETOOBIG);
    assert_null(pv_buf_reserve(&buf, 0));
    char *out = NULL;
    size_t len = 0;
    assert_int_equal(pv_buf_finish(&buf, &out, &len), PV_ETOOBIG);
    assert_null(out);
    assert_string_equal(buf.ptr, "abc");
    pv_buf_clear(&buf);
    assert_int_equal(pv_buf_c(&buf, "wxyz"), 0);
    assert_string_equal(buf.ptr, "wxyz");
    pv_buf_done(&buf);
}

static void a_length_that_would_overflow_is_too_big(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, SIZE_MAX);
    assert_int_equal(pv_buf_c(&buf, "abc"), 0);
    assert_null(pv_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(buf.status, PV_ETOOBIG);
    pv_buf_done(&buf);
}

static void prints_short_and_long(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 1000);
    assert_int_equal(pv_buf_printf(&buf, "%s-%d", "a", 7), 0);
    assert_string_equal(buf.ptr, "a-7");
    assert_int_equal(pv_buf_printf(&buf, "%0500d", 1), 0);
    assert_int_equal(buf.len, 503);
    assert_int_equal(strlen(buf.ptr), 503);
    assert_int_equal(pv_buf_printf(&buf, "%0500d", 1), PV_ETOOBIG);
    assert_int_equal(buf.len, 503);
    assert_int_equal(strlen(buf.ptr), 503);
    pv_buf_done(&buf);

    pv_buf_init(&buf, 3); /* exactly full */
    assert_int_equal(pv_buf_printf(&buf, "%s", "abc"), 0);
    assert_string_equal(buf.ptr, "abc");
    pv_buf_done(&buf);

    pv_buf_init(&buf, 64); /* the text and its NUL are the first size exactly, and one more */
    assert_int_equal(pv_buf_printf(&buf, "%063d", 0), 0);
    assert_int_equal(strlen(buf.ptr), 63);
    assert_int_equal(pv_buf_printf(&buf, "%d", 1), 0);
    assert_int_equal(strlen(buf.ptr), 64);
    pv_buf_done(&buf);
}

static void reserves_room_that_the_caller_fills(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 100);
    char *at = pv_buf_reserve(&buf, 10);
    assert_non_null(at);
    assert_int_equal(buf.len, 0);
    memcpy(at, "12345", 5);
    buf.len += 5;
    char *out = NULL;
    size_t len = 0;
    assert_int_equal(pv_buf_finish(&buf, &out, &len), 0);
    assert_string_equal(out, "12345");
    assert_int_equal(len, 5);
    assert_null(buf.ptr);
    pv_free(out);
}

static void finishing_nothing_gives_an_empty_text(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 0);
    char *out = NULL;
    assert_int_equal(pv_buf_finish(&buf, &out, NULL), 0);
    assert_string_equal(out, "");
    pv_free(out);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 100);
    pv_buf_consume(&buf, 3);
    assert_int_equal(pv_buf_c(&buf, "abcdef"), 0);
    pv_buf_consume(&buf, 0);
    pv_buf_consume(&buf, 2);
    assert_string_equal(buf.ptr, "cdef");
    pv_buf_consume(&buf, 100);
    assert_string_equal(buf.ptr, "");
    assert_int_equal(buf.len, 0);
    pv_buf_done(&buf);
}

static void quotes_json(void **state)
{
    (void)state;
    static const struct {
        struct pv_str in;
        const char *out;
    } cases[] = {
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"a\"b\\c/d", 7}, "\"a\\\"b\\\\c/d\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"gr\xC3\xBC\xC3\x9F", 6}, "\"gr\xC3\xBC\xC3\x9F\""},
        {{"\xF0\x9F\x98\x80!", 5}, "\"\xF0\x9F\x98\x80!\""},
        {{"a\xFFz", 3}, "\"a\xEF\xBF\xBDz\""},
        {{"\xC3", 1}, "\"\xEF\xBF\xBD\""},
        {{"\xC3\"", 2}, "\"\xEF\xBF\xBD\\\"\""},
        {{"\xED\xA0\x80", 3}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_buf buf;
        pv_buf_init(&buf, 200);
        assert_int_equal(pv_buf_json(&buf, cases[i].in), 0);
        assert_string_equal(buf.ptr, cases[i].out);
        pv_buf_done(&buf);
    }
}

static void json_stops_at_the_cap(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 12; cap++) {
        struct pv_buf buf;
        pv_buf_init(&buf, cap);
        assert_int_equal(pv_buf_json(&buf, PV_STR("a\xFF\n\"b")), cap < 11 ? PV_ETOOBIG : 0);
        assert_true(buf.len <= cap);
        pv_buf_done(&buf);
    }
}

static void integers_are_little_endian(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 100);
    pv_buf_u8(&buf, 0x01);
    pv_buf_u16(&buf, 0x0203);
    pv_buf_u32(&buf, 0x04050607);
    pv_buf_u64(&buf, UINT64_C(0x08090A0B0C0D0E0F));
    pv_buf_lstr(&buf, PV_STR("hi"));
    assert_int_equal(buf.status, 0);
    static const char want[] = "\x01"
                               "\x03\x02"
                               "\x07\x06\x05\x04"
                               "\x0F\x0E\x0D\x0C\x0B\x0A\x09\x08"
                               "\x02\x00\x00\x00hi";
    assert_int_equal(buf.len, sizeof(want) - 1);
    assert_memory_equal(buf.ptr, want, sizeof(want) - 1);

    struct pv_reader r = pv_reader(pv_buf_view(&buf));
    assert_int_equal(pv_read_u8(&r), 0x01);
    assert_int_equal(pv_read_u16(&r), 0x0203);
    assert_int_equal(pv_read_u32(&r), 0x04050607);
    assert_true(pv_read_u64(&r) == UINT64_C(0x08090A0B0C0D0E0F));
    assert_true(pv_str_eq_c(pv_read_lstr(&r), "hi"));
    assert_int_equal(pv_reader_end(&r), 0);
    pv_buf_done(&buf);
}

static void the_largest_integers_come_back(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 100);
    pv_buf_u8(&buf, UINT8_MAX);
    pv_buf_u16(&buf, UINT16_MAX);
    pv_buf_u32(&buf, UINT32_MAX);
    pv_buf_u64(&buf, UINT64_MAX);
    struct pv_reader r = pv_reader(pv_buf_view(&buf));
    assert_int_equal(pv_read_u8(&r), UINT8_MAX);
    assert_int_equal(pv_read_u16(&r), UINT16_MAX);
    assert_true(pv_read_u32(&r) == UINT32_MAX);
    assert_true(pv_read_u64(&r) == UINT64_MAX);
    assert_int_equal(pv_reader_end(&r), 0);
    pv_buf_done(&buf);
}

static void a_string_over_4_gib_is_refused(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, SIZE_MAX);
    assert_int_equal(pv_buf_lstr(&buf, (struct pv_str){"", (size_t)UINT32_MAX + 1}), PV_ETOOBIG);
    assert_int_equal(buf.len, 0);
    pv_buf_done(&buf);
}

static void reading_past_the_end_sticks(void **state)
{
    (void)state;
    struct pv_reader r = pv_reader(PV_STR("\x01\x02\x03"));
    assert_int_equal(pv_read_u16(&r), 0x0201);
    assert_int_equal(pv_read_u32(&r), 0);
    assert_int_equal(r.status, PV_ESYNTAX);
    assert_int_equal(pv_read_u8(&r), 0); /* a byte is left, but the decoder has lost its place */
    assert_null(pv_read_bytes(&r, 1).ptr);
    assert_int_equal(pv_reader_end(&r), PV_ESYNTAX);
}

static void a_length_that_lies_is_an_error(void **state)
{
    (void)state;
    struct pv_reader r = pv_reader(PV_STR("\x05\x00\x00\x00"
                                          "abcd"));
    assert_null(pv_read_lstr(&r).ptr);
    assert_int_equal(pv_reader_end(&r), PV_ESYNTAX);
    r = pv_reader(PV_STR("\xFF\xFF\xFF\xFF"));
    assert_int_equal(pv_read_lstr(&r).len, 0);
    assert_int_equal(pv_reader_end(&r), PV_ESYNTAX);
}

static void bytes_left_over_are_an_error(void **state)
{
    (void)state;
    struct pv_reader r = pv_reader(PV_STR("ab"));
    assert_int_equal(pv_read_u8(&r), 'a');
    assert_int_equal(pv_reader_end(&r), PV_ESYNTAX);
    assert_int_equal(pv_read_u8(&r), 'b');
    assert_int_equal(pv_reader_end(&r), 0);
    r = pv_reader((struct pv_str){NULL, 0});
    assert_int_equal(pv_read_bytes(&r, 0).len, 0);
    assert_int_equal(pv_reader_end(&r), 0);
}

static int build_everything(char **ret_ptr)
{
    struct pv_buf buf;
    pv_buf_init(&buf, 100000);
    pv_buf_json(&buf, PV_STR("a\xFF\nb"));
    pv_buf_u64(&buf, 1);
    pv_buf_printf(&buf, "%0300d", 1);
    for (int i = 0; i < 2000; i++) {
        pv_buf_c(&buf, "some more ");
    }
    pv_buf_printf(&buf, "%0300d", 1);
    int status = pv_buf_finish(&buf, ret_ptr, NULL);
    pv_buf_done(&buf);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    pv_alloc_fail_at(0, 0);
    char *out = NULL;
    assert_int_equal(build_everything(&out), 0);
    pv_free(out);
    unsigned long count = pv_alloc_count();
    assert_true(count >= 3);
    for (unsigned long n = 1; n <= count; n++) {
        out = NULL;
        pv_alloc_fail_at(n, 0);
        int status = build_everything(&out);
        pv_alloc_fail_at(0, 0);
        assert_int_equal(status, PV_ENOMEM);
        assert_null(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(errors_stick_until_cleared),
        cmocka_unit_test(a_length_that_would_overflow_is_too_big),
        cmocka_unit_test(prints_short_and_long),
        cmocka_unit_test(reserves_room_that_the_caller_fills),
        cmocka_unit_test(finishing_nothing_gives_an_empty_text),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(quotes_json),
        cmocka_unit_test(json_stops_at_the_cap),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(the_largest_integers_come_back),
        cmocka_unit_test(a_string_over_4_gib_is_refused),
        cmocka_unit_test(reading_past_the_end_sticks),
        cmocka_unit_test(a_length_that_lies_is_an_error),
        cmocka_unit_test(bytes_left_over_are_an_error),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

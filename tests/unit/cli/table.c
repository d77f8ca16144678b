/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of tables: widths, cutting, UTF-8, colours, and memory that runs out. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/cli/out.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct pv_column columns[] = {
    {"ID", 0},
    {"NAME", PV_COLUMN_SHRINK},
    {"COUNT", PV_COLUMN_RIGHT},
    {"STATE", PV_COLUMN_TONE},
};

static void expect(const struct pv_table *table, const struct pv_out *out, const char *wanted)
{
    struct pv_buf text;
    pv_buf_init(&text, 65536);
    assert_int_equal(pv_table_print(table, out, &text), 0);
    assert_string_equal(text.ptr, wanted);
    pv_buf_done(&text);
}

static void fill(struct pv_table *table, const char *const *cells, size_t count)
{
    pv_table_init(table, columns, 4);
    for (size_t i = 0; i < count; i++) {
        pv_table_cell_c(table, cells[i]);
    }
}

static void aligns(void **state)
{
    (void)state;
    const char *const cells[] = {"1", "one", "7", "done", "22", "twenty-two", "1234567", ""};
    struct pv_table table;
    fill(&table, cells, 8);
    expect(&table, &(struct pv_out){0},
           "ID  NAME          COUNT  STATE\n"
           "1   one               7  done\n"
           "22  twenty-two  1234567\n");
    pv_table_done(&table);
}

static void aligns_by_columns_not_bytes(void **state)
{
    (void)state;
    const char *const cells[] = {"ä", "日本", "1", "x", "b", "e\xCC\x81t\xC3\xA9", "2", "y"};
    struct pv_table table;
    fill(&table, cells, 8);
    expect(&table, &(struct pv_out){0},
           "ID  NAME  COUNT  STATE\n"
           "ä   日本      1  x\n"
           "b   e\xCC\x81t\xC3\xA9       2  y\n");
    pv_table_done(&table);
}

static void cuts_what_may_be_cut(void **state)
{
    (void)state;
    const char *const cells[] = {"an-id-that-stays-whole", "a name that is far too long", "1", "x"};
    struct pv_table table;
    fill(&table, cells, 4);
    expect(&table, &(struct pv_out){.width = 50},
           "ID                      NAME          COUNT  STATE\n"
           "an-id-that-stays-whole  a name that…      1  x\n");
    expect(&table, &(struct pv_out){.width = 10}, /* it cannot fit: the names keep a little */
           "ID                      NAME      COUNT  STATE\n"
           "an-id-that-stays-whole  a name …      1  x\n");
    pv_table_done(&table);
}

static void cut_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *wanted;
    } cases[] = {
        {"abc", 3, "abc"},      {"abcd", 3, "ab…"},   {"", 0, ""},
        {"abc", 0, ""},         {"abc", 1, "…"},      {"日本語", 6, "日本語"},
        {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"äöü", 2, "ä…"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_buf text;
        pv_buf_init(&text, 100);
        pv_text_cut(&text, pv_str(cases[i].text), cases[i].width);
        assert_string_equal(text.ptr != NULL ? text.ptr : "", cases[i].wanted);
        pv_buf_done(&text);
    }
}

static void cleans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"a\x1b[2Jb", "a [2Jb"},
        {"a\nb\tc\x7f", "a b c "},
        {"\xC2\x9B"
         "1m",
         " 1m"},
        {"x\xE2\x80\xAEy", "x y"},
        {"x\xFFy\xC3", "x\xEF\xBF\xBDy\xEF\xBF\xBD"},
        {"schön 日本 🙂", "schön 日本 🙂"},
        {"\xE2\x81\xA6z", " z"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_buf text;
        pv_buf_init(&text, 100);
        pv_text_clean(&text, pv_str(cases[i].text));
        assert_string_equal(text.ptr, cases[i].wanted);
        pv_buf_done(&text);
    }
}

static void colours_states(void **state)
{
    (void)state;
    const char *const cells[] = {"1", "a", "1", "failed"};
    struct pv_table table;
    fill(&table, cells, 4);
    expect(&table, &(struct pv_out){.color = true},
           "\033[1mID\033[0m  \033[1mNAME\033[0m  \033[1mCOUNT\033[0m  \033[1mSTATE\033[0m\n"
           "1   a         1  \033[31mfailed\033[0m\n");
    pv_table_done(&table);
}

static void finds_members(void **state)
{
    (void)state;
    json_t *json =
        json_loads("{\"a\":{\"b\":\"x\",\"n\":null},\"c\":3,\"l\":[\"p\",2,true]}", 0, NULL);
    assert_string_equal(pv_json_text(json, "a.b"), "x");
    assert_string_equal(pv_json_text(json, "a.n|a.b"), "x");
    assert_null(pv_json_at(json, "a.b.c"));
    assert_null(pv_json_at(json, "a.n"));
    assert_null(pv_json_text(json, "c"));
    struct pv_buf text;
    pv_buf_init(&text, 100);
    pv_view_value(&text, pv_json_at(json, "l"), PV_VIEW_TEXT);
    assert_string_equal(text.ptr, "p, 2, yes");
    pv_buf_clear(&text);
    json_t *time = json_string("2026-11-20T10:14:00.123Z");
    pv_view_value(&text, time, PV_VIEW_TIME);
    assert_string_equal(text.ptr, "2026-11-20 10:14:00Z");
    json_decref(time);
    pv_buf_done(&text);
    json_decref(json);
}

static void shows_amounts(void **state)
{
    (void)state;
    static const struct {
        json_int_t number;
        enum pv_view_kind kind;
        const char *wanted;
    } cases[] = {
        {999, PV_VIEW_MS, "999 ms"},         {119999, PV_VIEW_MS, "119 s"},
        {7199999, PV_VIEW_MS, "119 min"},    {7260000, PV_VIEW_MS, "2 h 1 min"},
        {180000000, PV_VIEW_MS, "2 d 2 h"},  {0, PV_VIEW_BYTES, "0 B"},
        {9999, PV_VIEW_BYTES, "9999 B"},     {10240, PV_VIEW_BYTES, "10 KiB"},
        {20971520, PV_VIEW_BYTES, "20 MiB"}, {7, PV_VIEW_TEXT, "7"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_buf text;
        pv_buf_init(&text, 100);
        json_t *number = json_integer(cases[i].number);
        pv_view_value(&text, number, cases[i].kind);
        assert_string_equal(text.ptr, cases[i].wanted);
        json_decref(number);
        pv_buf_done(&text);
    }
}

static void survives_failing_memory(void **state)
{
    (void)state;
    const char *const cells[] = {"1", "one", "7", "done"};
    for (unsigned long n = 1;; n++) {
        struct pv_table table;
        struct pv_buf text;
        pv_buf_init(&text, 65536);
        pv_alloc_fail_at(n, 1);
        fill(&table, cells, 4);
        int status = pv_table_print(&table, &(struct pv_out){.width = 20}, &text);
        unsigned long made = pv_alloc_count();
        pv_alloc_fail_at(0, 0);
        pv_table_done(&table);
        pv_buf_done(&text);
        if (made < n) {
            assert_int_equal(status, 0);
            return;
        }
        assert_int_equal(status, PV_ENOMEM);
    }
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns),
        cmocka_unit_test(aligns_by_columns_not_bytes),
        cmocka_unit_test(cuts_what_may_be_cut),
        cmocka_unit_test(cut_text),
        cmocka_unit_test(cleans),
        cmocka_unit_test(colours_states),
        cmocka_unit_test(finds_members),
        cmocka_unit_test(shows_amounts),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

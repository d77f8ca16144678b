/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms and the text of figures. */
#include "tests/unit/unit.h"

#include "core/base/metric.h"

#include <string.h>

static void values_go_where_they_belong(void **state)
{
    (void)state;
    assert_int_equal(pv_hist_bucket(64, 0), 0);
    assert_int_equal(pv_hist_bucket(64, 64), 0);
    assert_int_equal(pv_hist_bucket(64, 65), 1);
    assert_int_equal(pv_hist_bucket(64, 128), 1);
    assert_int_equal(pv_hist_bucket(64, 64u << (PV_HIST_BUCKETS - 1)), PV_HIST_BUCKETS - 1);
    assert_int_equal(pv_hist_bucket(64, UINT64_MAX), PV_HIST_BUCKETS);
}

static void histograms_add_up(void **state)
{
    (void)state;
    struct pv_hist one = {.first = 1};
    struct pv_hist two = {.first = 1};
    pv_hist_add(&one, 1);
    pv_hist_add(&one, 3);
    pv_hist_add(&two, UINT64_MAX / 2);
    pv_hist_merge(&one, &two);
    assert_int_equal(one.count, 3);
    assert_true(one.sum == 4 + UINT64_MAX / 2);
    assert_int_equal(one.bucket[0], 1);
    assert_int_equal(one.bucket[2], 1);
    assert_int_equal(one.bucket[PV_HIST_BUCKETS], 1);
}

/* Buckets hold what is below them too, and values are in the unit of the name. */
static void text_is_cumulative(void **state)
{
    (void)state;
    struct pv_hist hist = {.first = 1000};
    pv_hist_add(&hist, 500);
    pv_hist_add(&hist, 2000);
    pv_hist_add(&hist, 1u << 30);
    struct pv_buf out;
    pv_buf_init(&out, 1u << 16);
    assert_int_equal(pv_metric_head(&out, "x_seconds", "histogram", "What it is."), 0);
    assert_int_equal(pv_hist_print(&hist, &out, "x_seconds", "a=\"b\",", 1e3), 0);
    assert_int_equal(pv_hist_print(&hist, &out, "y_seconds", "", 1e3), 0);
    assert_int_equal(pv_metric(&out, "z_total", "counter", "Another.", 7), 0);
    assert_int_equal(pv_buf_char(&out, '\0'), 0);
    static const char *const lines[] = {
        ("# HELP x_seconds What it is.\n# TYPE x_seconds histogram\n"
         "x_seconds_bucket{a=\"b\",le=\"1\"} 1\n"),
        "x_seconds_bucket{a=\"b\",le=\"2\"} 2\n",
        "x_seconds_bucket{a=\"b\",le=\"131072\"} 2\n",
        "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n",
        "x_seconds_sum{a=\"b\"} 1073744.32\nx_seconds_count{a=\"b\"} 3\n",
        "y_seconds_bucket{le=\"1\"} 1\n",
        "y_seconds_sum 1073744.32\ny_seconds_count 3\n",
        "# HELP z_total Another.\n# TYPE z_total counter\nz_total 7\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(out.ptr, lines[i]) == NULL) {
            fail_msg("no %s in\n%s", lines[i], out.ptr);
        }
    }
    pv_buf_done(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_where_they_belong),
        cmocka_unit_test(histograms_add_up),
        cmocka_unit_test(text_is_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

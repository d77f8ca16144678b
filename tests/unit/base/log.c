/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as they arrive at the other end of a socket that keeps each write apart. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2]; /* SOCK_SEQPACKET: one read gives exactly one write */
static char got[2 * PIPE_BUF];

static int open_ends(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* The next write, or "" when there is none. */
static const char *next_write(void)
{
    ssize_t n = read(ends[1], got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    return got;
}

/* What follows the time stamp, whose digits are checked for their places only. */
static const char *after_time(const char *line, const char *before, const char *shape)
{
    assert_true(pv_str_starts(pv_str(line), before));
    line += strlen(before);
    for (; *shape != '\0'; shape++, line++) {
        if (*shape == '0') {
            assert_true(*line >= '0' && *line <= '9');
        } else {
            assert_int_equal(*line, *shape);
        }
    }
    return line;
}

static const char *next_json(void)
{
    return after_time(next_write(), "{\"time\":\"", "0000-00-00T00:00:00.000Z\",");
}

static const char *next_text(void)
{
    return after_time(next_write(), "", "00:00:00.000 ");
}

static void a_line_is_one_object_in_one_write(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 0, PV_INFO, "provostd");
    struct pv_id id = {{[15] = 1}};
    pv_log(PV_INFO, (pv_lf_op(id), pv_lf_svc(id), pv_lf_c("step", "clone"), pv_lf_i64("n", -4)),
           "done in %d ms", 12);
    assert_string_equal(next_json(), "\"level\":\"info\",\"program\":\"provostd\","
                                     "\"message\":\"done in 12 ms\","
                                     "\"operation\":\"op_00000000000000000000000001\","
                                     "\"service\":\"svc_00000000000000000000000001\","
                                     "\"step\":\"clone\",\"n\":-4}\n");
    assert_string_equal(next_write(), "");
}

static void without_fields_or_program(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 0, PV_DEBUG, NULL);
    pv_log_plain(PV_ERROR, "%s", "");
    assert_string_equal(next_json(), "\"level\":\"error\",\"message\":\"\"}\n");
    pv_log(PV_DEBUG, (pv_lf("none", (struct pv_str){NULL, 0})), "x");
    assert_string_equal(next_json(), "\"level\":\"debug\",\"message\":\"x\"}\n");
}

static void json_is_escaped(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 0, PV_INFO, NULL);
    pv_log(PV_WARN, (pv_lf_c("v", "a\"b\\c\n\t\r\x01\x7F\xC2\x9Bz\xFF\xC3\xBC\xED\xA0\x80")),
           "say \"hi\"\nbye");
    assert_string_equal(next_json(),
                        "\"level\":\"warn\",\"message\":\"say \\\"hi\\\"\\nbye\","
                        "\"v\":\"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u007f\\u009bz\xEF\xBF\xBD\xC3\xBC"
                        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"}\n");
}

static void levels_below_are_left_out(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 0, PV_WARN, NULL);
    assert_false(pv_log_on(PV_DEBUG));
    assert_false(pv_log_on(PV_INFO));
    assert_true(pv_log_on(PV_WARN));
    assert_true(pv_log_on(PV_ERROR));
    pv_log_plain(PV_INFO, "no");
    assert_string_equal(next_write(), "");
    pv_log_plain(PV_WARN, "yes");
    assert_string_equal(next_json(), "\"level\":\"warn\",\"message\":\"yes\"}\n");
}

static void plain_text(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 1, PV_INFO, "provostd");
    pv_log(PV_INFO,
           (pv_lf_op((struct pv_id){{0}}), pv_lf_c("step", "clone"), pv_lf_c("why", "a b=\"c\""),
            pv_lf_c("none", ""), pv_lf_i64("n", 7)),
           "say \"hi\" \\ \x1B[31m\n");
    assert_string_equal(next_text(), "info  provostd: say \"hi\" \\ \\u001b[31m\\n"
                                     " operation=op_00000000000000000000000000 step=clone"
                                     " why=\"a b=\\\"c\\\"\" none=\"\" n=7\n");
    pv_log_setup(ends[0], 1, PV_INFO, NULL);
    pv_log_plain(PV_ERROR, "x");
    assert_string_equal(next_text(), "error x\n");
}

static void json_is_chosen_where_there_is_no_terminal(void **state)
{
    (void)state;
    pv_log_setup(ends[0], -1, PV_INFO, NULL);
    pv_log_plain(PV_INFO, "x");
    assert_string_equal(next_json(), "\"level\":\"info\",\"message\":\"x\"}\n");
}

static void text_is_chosen_on_a_terminal(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        skip(); /* no /dev/pts here */
    }
    int user = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(user >= 0);
    pv_log_setup(user, -1, PV_INFO, NULL);
    pv_log_plain(PV_INFO, "hello");
    ssize_t n = read(terminal, got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(after_time(got, "", "00:00:00.000 "), "info  hello\r\n");
    close(user);
    close(terminal);
}

static size_t count_fields(const char *line)
{
    size_t count = 0;
    for (const char *at = strstr(line, "\"f\":\""); at != NULL; at = strstr(at + 1, "\"f\":\"")) {
        count++;
    }
    return count;
}

static void long_lines_are_cut_and_stay_whole(void **state)
{
    (void)state;
    static char text[10000];
    static const char *const patterns[] = {"a", "\n", "\xC3\xBC", "\xF0\x9F\x98\x80", "\xFF", "\""};
    for (size_t p = 0; p < PV_COUNT(patterns); p++) {
        size_t width = strlen(patterns[p]);
        for (size_t lead = 0; lead < 8; lead++) {
            memset(text, 'x', lead);
            for (size_t i = 0; i + width < sizeof(text) - lead; i++) {
                text[lead + i] = patterns[p][i % width];
            }
            text[sizeof(text) - 1] = '\0';
            for (int plain = 0; plain < 2; plain++) {
                pv_log_setup(ends[0], plain, PV_INFO, "provostd");
                pv_log(PV_INFO, (pv_lf_c("f", text), pv_lf_c("f", text)), "%s", text);
                struct pv_str line = pv_str(next_write());
                assert_true(line.len > PIPE_BUF / 2 && line.len <= PIPE_BUF);
                assert_true(pv_utf8_valid(line, NULL));
                assert_int_equal(line.ptr[line.len - 1], '\n');
                if (plain == 0) {
                    assert_string_equal(line.ptr + line.len - 3, "\"}\n");
                    assert_true(count_fields(line.ptr) >= 1);
                }
                assert_string_equal(next_write(), "");
            }
        }
    }
}

static void fields_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    static char filler[PIPE_BUF + 1];
    pv_log_setup(ends[0], 0, PV_INFO, NULL);
    for (size_t len = 3900; len < PIPE_BUF; len++) {
        memset(filler, 'x', sizeof(filler));
        filler[len] = '\0';
        pv_log(PV_INFO, (pv_lf_c("fill", filler), pv_lf_i64("number", 123456789), pv_lf_c("s", "")),
               "m");
        struct pv_str line = pv_str(next_write());
        assert_true(line.len <= PIPE_BUF);
        assert_string_equal(line.ptr + line.len - 2, "}\n");
        const char *number = strstr(line.ptr, "number");
        if (number != NULL) {
            assert_true(pv_str_starts(pv_str(number), "number\":123456789"));
        }
        const char *empty = strstr(line.ptr, "\"s\"");
        if (empty != NULL) {
            assert_string_equal(empty, "\"s\":\"\"}\n");
        }
    }
}

static void logging_needs_no_memory_and_keeps_errno(void **state)
{
    (void)state;
    pv_log_setup(ends[0], 0, PV_INFO, NULL);
    pv_alloc_fail_at(1, 1);
    errno = ENOSPC;
    pv_log(PV_INFO, (pv_lf_c("a", "b")), "x");
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(pv_alloc_count(), 0);
    pv_alloc_fail_at(0, 0);
    assert_string_equal(next_json(), "\"level\":\"info\",\"message\":\"x\",\"a\":\"b\"}\n");
}

static void a_log_that_nobody_reads_is_dropped(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    pv_log_setup(fd, 0, PV_INFO, NULL);
    errno = 0;
    pv_log_plain(PV_INFO, "x");
    assert_int_equal(errno, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_object_in_one_write),
        cmocka_unit_test(without_fields_or_program),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(levels_below_are_left_out),
        cmocka_unit_test(plain_text),
        cmocka_unit_test(json_is_chosen_where_there_is_no_terminal),
        cmocka_unit_test(text_is_chosen_on_a_terminal),
        cmocka_unit_test(long_lines_are_cut_and_stay_whole),
        cmocka_unit_test(fields_that_do_not_fit_are_left_out),
        cmocka_unit_test(logging_needs_no_memory_and_keeps_errno),
        cmocka_unit_test(a_log_that_nobody_reads_is_dropped),
    };
    return cmocka_run_group_tests(tests, open_ends, close_ends);
}

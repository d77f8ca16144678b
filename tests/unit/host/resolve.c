/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `resolve` against a name server of the test's own, which answers what the first
 * label of the name asks for. */
#include "tests/unit/host/kit.h"

#include "core/base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct kit kit;

static struct provost_resolve_request request;
static struct provost_resolve_result seen;
static int code;
static char text[4000];
static char error_text[600];

static int step(struct provost_call *call)
{
    seen = (struct provost_resolve_result){.struct_size = sizeof(seen), .rcode = -1};
    code = call->host->resolve(call, &request, &seen);
    text[0] = '\0';
    for (size_t i = 0; i < seen.count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? "|" : "", seen.answers[i]);
    }
    snprintf(error_text, sizeof(error_text), "%s", call->host->error(call));
    return code == PROVOST_E_CANCELED ? PROVOST_CANCELED : PROVOST_OK;
}

static const struct provost_step create[] = {{.name = "resolve", .run = step}, {0}};
static const struct provost_plugin plugin = {PROVOST_PLUGIN_HEAD, .name = "asker",
                                             .create = create};

/* ---- The name server ---- */

static int server_fd;
static int server_port;
static bool recursion_wanted;

struct packet {
    unsigned char bytes[2048];
    size_t len;
};

static void put(struct packet *p, const void *bytes, size_t len)
{
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static void put16(struct packet *p, unsigned v)
{
    const unsigned char bytes[2] = {(unsigned char)(v >> 8), (unsigned char)v};
    put(p, bytes, 2);
}

/* A record of the question's name (a pointer to it). */
static void put_record(struct packet *p, unsigned type, const void *data, size_t len)
{
    put16(p, 0xc00c);
    put16(p, type);
    put16(p, 1);
    put16(p, 0);
    put16(p, 60);
    put16(p, (unsigned)len);
    put(p, data, len);
}

#define NAME_NS1 "\3ns1\7example\0"
#define NAME_MAIL "\4mail\7example\0"

static void reply(const unsigned char *query, size_t len, struct packet *p)
{
    char label[64] = "";
    size_t label_len = query[12] < sizeof(label) ? query[12] : 0;
    memcpy(label, query + 13, label_len);
    p->len = 0;
    put(p, query, len);
    p->bytes[2] = (unsigned char)(0x80 | (query[2] & 1));
    p->bytes[3] = 0;
    recursion_wanted = (query[2] & 1) != 0;
    unsigned answers = 1;
    unsigned authorities = 0;
    if (strcmp(label, "a") == 0) {
        put_record(p, 1, "\300\0\2\1", 4);
        put_record(p, 1, "\300\0\2\2", 4);
        answers = 2;
    } else if (strcmp(label, "aaaa") == 0) {
        put_record(p, 28, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    } else if (strcmp(label, "ns") == 0) {
        put_record(p, 2, NAME_NS1, 13);
    } else if (strcmp(label, "mx") == 0) {
        put_record(p, 15, "\0\12" NAME_MAIL, 16);
    } else if (strcmp(label, "txt") == 0) {
        put_record(p, 16, "\3one\6t\"w\\o\1", 11);
    } else if (strcmp(label, "soa") == 0) {
        put_record(p, 6, NAME_NS1 NAME_MAIL "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5",
                   13 + 14 + 20);
    } else if (strcmp(label, "cname") == 0) {
        put_record(p, 5, NAME_NS1, 13);
    } else if (strcmp(label, "referral") == 0) {
        put_record(p, 2, NAME_NS1, 13);
        answers = 0;
        authorities = 1;
    } else if (strcmp(label, "loop") == 0) {
        unsigned char to_itself[2] = {0xc0, (unsigned char)(p->len + 12)};
        put_record(p, 2, to_itself, 2);
    } else if (strcmp(label, "short") == 0) {
        put_record(p, 1, "\1\2", 2);
    } else if (strcmp(label, "cut") == 0) {
        put_record(p, 1, "\1\2\3\4", 4);
        p->len -= 3;
    } else {
        answers = 0;
        p->bytes[3] = strcmp(label, "servfail") == 0  ? 2
                      : strcmp(label, "refused") == 0 ? 5
                      : strcmp(label, "none") == 0    ? 3
                                                      : 0;
    }
    p->bytes[7] = (unsigned char)answers;
    p->bytes[9] = (unsigned char)authorities;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        unsigned char query[600];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n =
            recvfrom(server_fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
        if (n < 17) {
            return NULL;
        }
        struct packet packet;
        reply(query, (size_t)n, &packet);
        if (memcmp(query + 13, "silent", 6) != 0) {
            sendto(server_fd, packet.bytes, packet.len, 0, (struct sockaddr *)&from, from_len);
        }
    }
}

static char servers[100];

static int start(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, NULL);
    snprintf(servers, sizeof(servers), "127.0.0.1:%d", server_port);
    request = (struct provost_resolve_request){.struct_size = sizeof(request), .servers = servers};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

static void ask(const char *name, const char *type)
{
    request.name = name;
    request.type = type;
    kit_run(&kit, "resolve", NULL);
}

/* ---- Tests ---- */

static void records_are_presented(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *type;
        const char *text;
    } cases[] = {
        {"a.example", "A", "192.0.2.1|192.0.2.2"},
        {"aaaa.example", "AAAA", "2001:db8::1"},
        {"ns.example", "NS", "ns1.example."},
        {"cname.example.", "CNAME", "ns1.example."},
        {"mx.example", "MX", "10 mail.example."},
        {"txt.example", "TXT", "\"one\" \"t\\\"w\\\\o\\001\""},
        {"soa.example", "SOA", "ns1.example. mail.example. 1 2 3 4 5"},
        {"cname.example", "A", ""},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        ask(cases[i].name, cases[i].type);
        assert_int_equal(code, 0);
        assert_int_equal(seen.rcode, 0);
        assert_string_equal(text, cases[i].text);
    }
}

static void response_codes_are_answers(void **state)
{
    (void)state;
    ask("servfail.example", "NS");
    assert_int_equal(code, 0);
    assert_int_equal(seen.rcode, 2);
    ask("none.example", "A");
    assert_int_equal(seen.rcode, 3);
    ask("refused.example", "SOA");
    assert_int_equal(code, 0);
    assert_int_equal(seen.rcode, 5);
}

static void referrals_are_read_when_asked(void **state)
{
    (void)state;
    request.flags = PROVOST_R_NO_RECURSION;
    ask("referral.example", "NS");
    assert_int_equal(seen.count, 0);
    assert_false(recursion_wanted);
    request.flags |= PROVOST_R_AUTHORITY;
    ask("referral.example", "NS");
    assert_string_equal(text, "ns1.example.");
    request.flags = 0;
    ask("ns.example", "NS");
    assert_true(recursion_wanted);
}

static void malformed_answers_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"loop.example", "short.example", "cut.example"};
    static const char *const types[] = {"NS", "A", "A"};
    for (size_t i = 0; i < PV_COUNT(names); i++) {
        ask(names[i], types[i]);
        assert_int_equal(code, PROVOST_E_FAILED);
        assert_contains(error_text, "malformed");
    }
}

static void silence_ends_in_time(void **state)
{
    (void)state;
    request.timeout_ms = 150;
    ask("silent.example", "A");
    assert_int_equal(code, PROVOST_E_TIMEOUT);
    request.timeout_ms = 0;
    request.name = "silent.example";
    struct pv_wire_step frame = kit_step("resolve", NULL);
    kit_send(&kit, 50, &frame);
    kit_turn(&kit);
    kit_cancel(&kit, 50);
    assert_int_equal(kit_wait(&kit, 50)->code, PV_OUT_CANCELED);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    ask("a.example", "AXFR");
    assert_int_equal(code, PROVOST_E_INVALID);
    ask("a.example", NULL);
    assert_int_equal(code, PROVOST_E_INVALID);
    ask(NULL, "A");
    assert_int_equal(code, PROVOST_E_INVALID);
    ask("a..example", "A");
    assert_int_equal(code, PROVOST_E_INVALID);
    request.servers = "not a server";
    ask("a.example", "A");
    assert_int_equal(code, PROVOST_E_INVALID);
    assert_contains(error_text, "not a server");
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(records_are_presented),         WITH_HOST(response_codes_are_answers),
        WITH_HOST(referrals_are_read_when_asked), WITH_HOST(malformed_answers_are_refused),
        WITH_HOST(silence_ends_in_time),          WITH_HOST(wrong_requests_are_refused),
    };
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    server_fd = socket(AF_INET, SOCK_DGRAM, 0);
    pthread_t thread;
    if (pv_base_init() != 0 || bind(server_fd, (struct sockaddr *)&in, len) != 0 ||
        getsockname(server_fd, (struct sockaddr *)&in, &len) != 0 ||
        pthread_create(&thread, NULL, serve, NULL) != 0) {
        return 1;
    }
    server_port = ntohs(in.sin_port);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of names, for HTTP: one look-up a name however many calls want it, kept for as long as
 * its TTL says, a minute at most. libcurl never resolves: its own resolver starts a thread a name
 * and blocks the loop when a request is canceled. */
#include "core/host/channel.h"

#include "core/base/alloc.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define KEEP_MOST_MS 60000
#define NAMES_MAX 1024
#define ADDRESSES_MAX 8
#define TEXT_MAX (ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3))

struct pv_dns {
    struct pv_host *host;
    struct pv_channel *channel; /* NULL until the first name */
    struct pv_map names;
};

struct name {
    struct pv_map_node node;
    struct pv_dns *dns;
    struct pv_link waiters;
    bool asked;          /* a look-up is under way */
    int64_t good_until;  /* of text */
    char text[TEXT_MAX]; /* "192.0.2.1,[2001:db8::1]" */
    char name[];
};

struct waiter {
    struct pv_wait wait;
    struct pv_link link;
    struct pv_timer timer;
    int status; /* ARES_… */
    char text[TEXT_MAX];
};

int pv_dns_new(struct pv_host *host, struct pv_dns **ret_dns)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        return PV_ENOMEM;
    }
    struct pv_dns *dns = pv_calloc(1, sizeof(*dns));
    if (dns == NULL) {
        ares_library_cleanup();
        return PV_ENOMEM;
    }
    dns->host = host;
    pv_map_init(&dns->names);
    *ret_dns = dns;
    return 0;
}

static void free_name(struct pv_map_node *node, void *user)
{
    struct pv_dns *dns = user;
    pv_map_remove(&dns->names, node);
    pv_free(PV_CONTAINER(node, struct name, node));
}

void pv_dns_abandon(struct pv_dns *dns)
{
    pv_map_each(&dns->names, free_name, dns);
    pv_map_done(&dns->names);
    pv_free(dns);
    ares_library_cleanup();
}

void pv_dns_close(struct pv_dns *dns)
{
    pv_channel_close(dns->channel);
    pv_dns_abandon(dns);
}

static void add_address(struct name *name, const struct ares_addrinfo_node *node)
{
    char address[INET6_ADDRSTRLEN] = "";
    char piece[INET6_ADDRSTRLEN + 3];
    if (node->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)node->ai_addr;
        inet_ntop(AF_INET, &in->sin_addr, address, sizeof(address));
        snprintf(piece, sizeof(piece), "%s", address);
    } else if (node->ai_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)node->ai_addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
        snprintf(piece, sizeof(piece), "[%s]", address);
    } else {
        return;
    }
    size_t len = strlen(name->text);
    if (len + strlen(piece) + 2 <= sizeof(name->text)) {
        snprintf(name->text + len, sizeof(name->text) - len, "%s%s", len > 0 ? "," : "", piece);
    }
}

static int64_t take_addresses(struct name *name, const struct ares_addrinfo *found)
{
    int64_t keep_ms = KEEP_MOST_MS;
    name->text[0] = '\0';
    for (const struct ares_addrinfo_node *n = found->nodes; n != NULL; n = n->ai_next) {
        add_address(name, n);
        int64_t ttl_ms = (int64_t)n->ai_ttl * 1000;
        keep_ms = ttl_ms < keep_ms ? ttl_ms : keep_ms;
    }
    return keep_ms;
}

/* Runs inside c-ares: wakes whoever waits, resumes nobody. */
static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    struct name *name = arg;
    name->asked = false;
    if (status == ARES_SUCCESS && found != NULL) {
        name->good_until = pv_host_now(name->dns->host) + take_addresses(name, found);
        status = name->text[0] != '\0' ? ARES_SUCCESS : ARES_ENODATA;
    }
    if (found != NULL) {
        ares_freeaddrinfo(found);
    }
    for (struct pv_link *l = pv_list_pop(&name->waiters); l != NULL;
         l = pv_list_pop(&name->waiters)) {
        struct waiter *waiter = PV_CONTAINER(l, struct waiter, link);
        pv_timer_stop(name->dns->host, &waiter->timer);
        waiter->status = status;
        memcpy(waiter->text, name->text, sizeof(waiter->text));
        pv_wait_done(&waiter->wait, 0);
    }
    if (status != ARES_SUCCESS) {
        name->good_until = 0;
    }
}

static void leave(struct waiter *waiter, int result)
{
    pv_list_remove(&waiter->link);
    pv_timer_stop(waiter->wait.call->host, &waiter->timer);
    pv_wait_done(&waiter->wait, result);
}

static void on_waiter_late(struct pv_timer *timer)
{
    leave(PV_CONTAINER(timer, struct waiter, timer), PROVOST_E_TIMEOUT);
}

static void cancel_waiter(struct pv_wait *wait)
{
    leave(PV_CONTAINER(wait, struct waiter, wait), PROVOST_E_CANCELED);
}

struct pruning {
    struct pv_dns *dns;
    int64_t now;
};

static void prune_one(struct pv_map_node *node, void *user)
{
    const struct pruning *pruning = user;
    struct name *name = PV_CONTAINER(node, struct name, node);
    if (!name->asked && name->good_until <= pruning->now) {
        free_name(node, pruning->dns);
    }
}

static struct name *get_name(struct pv_dns *dns, const char *text)
{
    size_t len = strlen(text);
    struct pv_map_node *node = pv_map_get(&dns->names, (struct pv_str){text, len});
    if (node != NULL) {
        return PV_CONTAINER(node, struct name, node);
    }
    if (dns->names.count >= NAMES_MAX) {
        struct pruning pruning = {dns, pv_host_now(dns->host)};
        pv_map_each(&dns->names, prune_one, &pruning);
    }
    struct name *name = pv_calloc(1, sizeof(*name) + len + 1);
    if (name == NULL) {
        return NULL;
    }
    name->dns = dns;
    memcpy(name->name, text, len + 1);
    pv_list_init(&name->waiters);
    if (pv_map_add(&dns->names, &name->node, (struct pv_str){name->name, len}) != 0) {
        pv_free(name);
        return NULL;
    }
    return name;
}

static int ensure_channel(struct pv_dns *dns)
{
    if (dns->channel != NULL) {
        return 0;
    }
    const struct pv_channel_opts opts = {.try_ms = 2000, .tries = 3};
    return pv_channel_new(dns->host, &opts, &dns->channel);
}

/* Is it the machine itself, whatever a name server would say? */
static bool is_localhost(const char *name)
{
    size_t len = strlen(name);
    const char *tail = ".localhost";
    return strcasecmp(name, "localhost") == 0 ||
           (len > strlen(tail) && strcasecmp(name + len - strlen(tail), tail) == 0);
}

int pv_dns_addresses(struct pv_call *call, const char *text, int64_t deadline_ms,
                     const char **ret_addresses)
{
    struct pv_dns *dns = call->host->dns;
    if (is_localhost(text)) {
        *ret_addresses = "127.0.0.1,[::1]";
        return 0;
    }
    struct name *name = get_name(dns, text);
    if (name == NULL || ensure_channel(dns) != 0) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    struct waiter waiter = {.wait = {.call = call, .cancel = cancel_waiter},
                            .timer = {.fire = on_waiter_late}};
    if (name->good_until > pv_host_now(call->host)) {
        memcpy(waiter.text, name->text, sizeof(waiter.text));
    } else {
        if (pv_timer_start(call->host, &waiter.timer, deadline_ms) != 0) {
            return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
        }
        pv_list_push(&name->waiters, &waiter.link);
        if (!name->asked) {
            name->asked = true;
            const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                      .ai_socktype = SOCK_STREAM};
            ares_getaddrinfo(pv_channel_ares(dns->channel), name->name, NULL, &hints, on_addresses,
                             name);
            pv_channel_arm(dns->channel);
        }
        int code = pv_call_wait(call, &waiter.wait);
        if (code == PROVOST_E_TIMEOUT) {
            return pv_call_fail(call, PROVOST_E_NOT_SENT, "cannot resolve %s: no answer in time",
                                text);
        }
        if (code != 0) {
            return code;
        }
        if (waiter.status != ARES_SUCCESS) {
            return pv_call_fail(call, PROVOST_E_NOT_SENT, "cannot resolve %s: %s", text,
                                ares_strerror(waiter.status));
        }
    }
    char *copy = pv_memory_str(&call->memory, pv_str(waiter.text));
    if (copy == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    *ret_addresses = copy;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of names over one c-ares channel. A name lives in the map from its first look-up until
 * it is pruned; whoever waits for it hangs on its list. */
#include "core/net/names.h"

#include "core/base/alloc.h"
#include "core/net/channel.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEEP_MOST_MS 60000
#define NAMES_MAX 1024

struct pv_names {
    uv_loop_t *loop;
    const struct pv_clock *clock;
    void (*closed)(void *user);
    void *user;
    struct pv_channel *channel; /* NULL until the first name */
    struct pv_map names;
};

struct name {
    struct pv_map_node node;
    struct pv_names *names;
    struct pv_link waiters;
    bool asked;         /* a look-up is under way */
    int64_t good_until; /* of text */
    char text[PV_NAMES_TEXT];
    char name[];
};

int pv_names_new(uv_loop_t *loop, const struct pv_clock *clock, void (*closed)(void *user),
                 void *user, struct pv_names **ret_names)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        return PV_ENOMEM;
    }
    struct pv_names *names = pv_calloc(1, sizeof(*names));
    if (names == NULL) {
        ares_library_cleanup();
        return PV_ENOMEM;
    }
    names->loop = loop;
    names->clock = clock;
    names->closed = closed;
    names->user = user;
    pv_map_init(&names->names);
    *ret_names = names;
    return 0;
}

static void free_name(struct pv_map_node *node, void *user)
{
    struct pv_names *names = user;
    pv_map_remove(&names->names, node);
    pv_free(PV_CONTAINER(node, struct name, node));
}

bool pv_names_close(struct pv_names *names)
{
    bool calls_back = names->channel != NULL;
    pv_channel_close(names->channel);
    pv_map_each(&names->names, free_name, names);
    pv_map_done(&names->names);
    pv_free(names);
    ares_library_cleanup();
    return calls_back;
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

/* Runs inside c-ares. */
static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    struct name *name = arg;
    name->asked = false;
    if (status == ARES_SUCCESS && found != NULL) {
        name->good_until = pv_mono_ms(name->names->clock) + take_addresses(name, found);
        status = name->text[0] != '\0' ? ARES_SUCCESS : ARES_ENODATA;
    }
    if (found != NULL) {
        ares_freeaddrinfo(found);
    }
    for (struct pv_link *l = pv_list_pop(&name->waiters); l != NULL;
         l = pv_list_pop(&name->waiters)) {
        struct pv_lookup *lookup = PV_CONTAINER(l, struct pv_lookup, link);
        memcpy(lookup->text, name->text, sizeof(lookup->text));
        lookup->done(lookup, status == ARES_SUCCESS ? NULL : ares_strerror(status));
    }
    if (status != ARES_SUCCESS) {
        name->good_until = 0;
    }
}

struct pruning {
    struct pv_names *names;
    int64_t now;
};

static void prune_one(struct pv_map_node *node, void *user)
{
    const struct pruning *pruning = user;
    struct name *name = PV_CONTAINER(node, struct name, node);
    if (!name->asked && name->good_until <= pruning->now) {
        free_name(node, pruning->names);
    }
}

static struct name *get_name(struct pv_names *names, const char *text)
{
    size_t len = strlen(text);
    struct pv_map_node *node = pv_map_get(&names->names, (struct pv_str){text, len});
    if (node != NULL) {
        return PV_CONTAINER(node, struct name, node);
    }
    if (names->names.count >= NAMES_MAX) {
        struct pruning pruning = {names, pv_mono_ms(names->clock)};
        pv_map_each(&names->names, prune_one, &pruning);
    }
    struct name *name = pv_calloc(1, sizeof(*name) + len + 1);
    if (name == NULL) {
        return NULL;
    }
    name->names = names;
    memcpy(name->name, text, len + 1);
    pv_list_init(&name->waiters);
    if (pv_map_add(&names->names, &name->node, (struct pv_str){name->name, len}) != 0) {
        pv_free(name);
        return NULL;
    }
    return name;
}

static int ensure_channel(struct pv_names *names)
{
    if (names->channel != NULL) {
        return 0;
    }
    const struct pv_channel_opts opts = {
        .try_ms = 2000, .tries = 3, .closed = names->closed, .user = names->user};
    return pv_channel_new(names->loop, &opts, &names->channel);
}

/* Is it the machine itself, whatever a name server would say? */
static bool is_localhost(const char *name)
{
    size_t len = strlen(name);
    const char *tail = ".localhost";
    return strcasecmp(name, "localhost") == 0 ||
           (len > strlen(tail) && strcasecmp(name + len - strlen(tail), tail) == 0);
}

bool pv_names_known(struct pv_names *names, const char *text, struct pv_lookup *lookup)
{
    if (is_localhost(text)) {
        snprintf(lookup->text, sizeof(lookup->text), "127.0.0.1,[::1]");
        return true;
    }
    struct pv_map_node *node = pv_map_get(&names->names, pv_str(text));
    const struct name *name = node != NULL ? PV_CONTAINER(node, struct name, node) : NULL;
    if (name == NULL || name->good_until <= pv_mono_ms(names->clock)) {
        return false;
    }
    memcpy(lookup->text, name->text, sizeof(lookup->text));
    return true;
}

int pv_names_ask(struct pv_names *names, const char *text, struct pv_lookup *lookup)
{
    struct name *name = get_name(names, text);
    int status = name != NULL ? ensure_channel(names) : PV_ENOMEM;
    if (status != 0) {
        return status;
    }
    pv_list_push(&name->waiters, &lookup->link);
    if (!name->asked) {
        name->asked = true;
        const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                  .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(pv_channel_ares(names->channel), name->name, NULL, &hints, on_addresses,
                         name);
        pv_channel_arm(names->channel);
    }
    return 0;
}

void pv_names_cancel(struct pv_lookup *lookup)
{
    pv_list_remove(&lookup->link);
}

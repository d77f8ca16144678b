/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP API: a TCP listener with bearer tokens and the admin socket, in front of engine, store
 * and runner. Everything on the loop thread; nothing blocks. */
#ifndef PV_API_API_H
#define PV_API_API_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/engine/runner.h"

struct uv_loop_s;
struct pv_config;
struct pv_engine;
struct pv_http_tls;
struct pv_store;

/* A reload of the configuration that somebody waits for. */
struct pv_api_reload {
    /* Exactly once, later or from within reload. status 0, or PV_EINVAL with every problem in
     * `report`, one a line (borrowed). */
    void (*done)(struct pv_api_reload *reload, int status, struct pv_str report);
    void *user;
};

/* A new key that somebody waits for. */
struct pv_api_rotate {
    /* Exactly once, later. 0 and the id of the key that seals now, or why nothing has changed. */
    void (*done)(struct pv_api_rotate *rotate, int status, uint32_t id, const struct pv_err *err);
};

/* What lies outside of the API's reach; filled in by the daemon. Any function may be NULL. */
struct pv_api_daemon {
    void *ctx;
    /* Reads the configuration again; 0 when done will be (or was) called. */
    int (*reload)(void *ctx, struct pv_api_reload *reload);
    /* Appends members to the object that GET /v1/status answers, each behind a comma:
     * ",\"hosts\":[…],\"config\":\"/etc/provost/provost.yaml\"". */
    void (*status)(void *ctx, struct pv_buf *out);
    /* Appends the processes of an instance, as JSON objects with commas between them. */
    void (*hosts)(void *ctx, struct pv_str instance, struct pv_buf *out);
    /* Appends lines of Prometheus text to /metrics. */
    void (*metrics)(void *ctx, struct pv_buf *out);
    /* Something that waits for a subscriber is due, or a subscriber was enabled. */
    void (*webhooks_changed)(void *ctx);
    /* A sentence that says why no traffic should come yet (or any more); NULL: ready. */
    const char *(*not_ready)(void *ctx);
    /* A sentence about what plugins are not confined by; NULL: nothing is missing. */
    const char *(*lacks)(void *ctx);
    /* A peer of the admin socket with this pid is one of our hosts, or was started by one: refused.
     */
    bool (*is_host)(void *ctx, int pid);
    /* The key with which signals of this operation are taken without a token. false: none is. */
    bool (*signal_key)(void *ctx, struct pv_id op, uint8_t out[PV_SIGNAL_KEY_BYTES]);
    /* Seals what the token of a session says, and opens it again (PV_ECRYPTO: it was not sealed
     * with our keys). Both or none. */
    int (*session_seal)(void *ctx, struct pv_str plain, struct pv_buf *out);
    int (*session_unseal)(void *ctx, struct pv_str sealed, struct pv_arena *arena,
                          struct pv_str *ret_plain);
    /* Makes a new key; 0 when done will be called. PV_EBUSY: one is being made. */
    int (*keys_rotate)(void *ctx, struct pv_api_rotate *rotate);
    /* Appends the object that GET /v1/keys answers. */
    void (*keys_show)(void *ctx, struct pv_buf *out);
};

struct pv_api_options {
    struct uv_loop_s *loop;
    struct pv_clock clock;
    struct pv_rng rng;
    const struct pv_config *config; /* borrowed until pv_api_set_config or close */
    struct pv_engine *engine;       /* borrowed; must outlive the API */
    struct pv_store *store;         /* the same */
    struct pv_runner runner;        /* for queries; copied */
    struct pv_api_daemon daemon;    /* copied */
    const char *version;            /* of the program, static storage */
    /* "127.0.0.1:7070", "[::1]:7070"; port 0 takes a free one. NULL: no TCP listener. */
    const char *listen;
    struct pv_http_tls *tls;  /* the certificate of `listen`, taken; NULL: plain HTTP */
    bool insecure;            /* plain HTTP may be served on an address that is not loopback */
    const char *admin_socket; /* path of the Unix socket, made 0660; NULL: none */
    const char *admin_group;  /* its group, when there is such a group ("provost-admin"); NULL: none
                               */
};

struct pv_api;

/* Starts to listen: calls are answered from the next turn of the loop on. On failure the sentence
 * in err names the address (PV_EEXISTS: in use; PV_EDENIED: plain HTTP on an address that is not
 * loopback). */
int pv_api_new(const struct pv_api_options *options, struct pv_api **ret_api,
               struct pv_err *err) PV_MUST_CHECK;
/* After a reload: what is read from here on. The old configuration is not touched any more. */
void pv_api_set_config(struct pv_api *api, const struct pv_config *config);
/* New connections get this certificate. Takes the reference. */
void pv_api_set_tls(struct pv_api *api, struct pv_http_tls *tls);
/* The port of the TCP listener; 0: there is none. */
int pv_api_port(const struct pv_api *api);
/* Takes no more calls; those that wait for an operation are answered as it stands, those that wait
 * for the store or a plugin when it answers; then closed(user) runs and the API is gone. The engine
 * and the store must still be open. */
void pv_api_close(struct pv_api *api, void (*closed)(void *user), void *user);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The Provost plugin ABI. A plugin is one shared object that exports one symbol (PROVOST_PLUGIN
 * below) and needs none from its host: everything it may call comes through struct provost_host.
 * Needs only <stddef.h> and <stdint.h>; C99 and C++11. Every struct that crosses the border says
 * its size and only ever grows at its end, so that a module built today keeps loading.
 * Threads: every function of a plugin runs on its host's loop thread, as a coroutine: a host call
 * marked (waits) lets other calls run meanwhile; nothing else does. Never block in any other way */
#ifndef PROVOST_PLUGIN_H
#define PROVOST_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROVOST_ABI 1

/* ---- What a step says when it returns -------------------------------------------------------- */

enum provost_outcome {
    PROVOST_OK = 0,
    PROVOST_PENDING = 1,        /* ask again later: poll goes on from the state document */
    PROVOST_TEMPORARY = 2,      /* try again with backoff, until the operation's deadline */
    PROVOST_INSTANCE_FAULT = 3, /* the instance is misconfigured (401, TLS): uses no attempt */
    PROVOST_PERMANENT = 4,      /* will never work: a create is undone */
    PROVOST_UNKNOWN = 5,        /* it may or may not have happened: look it up */
    PROVOST_CANCELED = 6,       /* a host call returned PROVOST_E_CANCELED and the step gave up */
    /* Of a lookup only (PROVOST_OK means found: put what was found into the state document;
     * PROVOST_PENDING, of a step with a poll: found, to be polled until it is done): */
    PROVOST_ABSENT = 7,
    PROVOST_IN_PROGRESS = 8
};

/* ---- What host calls return ------------------------------------------------------------------ */

enum provost_error {
    PROVOST_E_NOMEM = -1,
    PROVOST_E_INVALID = -2,   /* an argument is wrong; provost_host.error says which */
    PROVOST_E_CANCELED = -3,  /* canceled, or the host is stopping: clean up and return */
    PROVOST_E_TIMEOUT = -4,   /* nothing came back in time; the request may have been carried out */
    PROVOST_E_NOT_SENT = -5,  /* could not connect or resolve: nothing has happened */
    PROVOST_E_LOST = -6,      /* the connection broke after sending: unknown whether it happened */
    PROVOST_E_TLS = -7,       /* the certificate was not accepted: nothing has happened */
    PROVOST_E_TOO_BIG = -8,   /* over a limit; an HTTP answer over it was cut off after sending */
    PROVOST_E_DENIED = -9,    /* not declared by the plugin, or not granted by the admin */
    PROVOST_E_CONFLICT = -10, /* kv_put: the version is not the present one */
    PROVOST_E_EXHAUSTED = -11, /* the pool or quota has nothing left */
    PROVOST_E_NOT_FOUND = -12,
    PROVOST_E_FENCED = -13, /* this host no longer holds the operation: stop */
    PROVOST_E_FAILED = -14  /* anything else; provost_host.error has the sentence */
};

/* ---- Fields: declared three times (settings, product, checkout) and for forms of actions ----- */

enum provost_type {
    PROVOST_T_STRING = 0,
    PROVOST_T_TEXT = 1, /* several lines */
    PROVOST_T_INT = 2,
    PROVOST_T_NUMBER = 3,
    PROVOST_T_BOOL = 4,
    PROVOST_T_SIZE = 5,     /* "2GiB"; reaches the plugin as an integer of bytes */
    PROVOST_T_DURATION = 6, /* "30s"; reaches the plugin as an integer of milliseconds */
    PROVOST_T_URL = 7,      /* http, https, or unix:/path */
    PROVOST_T_EMAIL = 8,
    PROVOST_T_HOSTNAME = 9, /* a DNS name */
    PROVOST_T_IP = 10,      /* IPv4 or IPv6 address */
    PROVOST_T_SELECT = 11,  /* one of `options` */
    PROVOST_T_LIST = 12,    /* an array of strings */
    PROVOST_T_MAP = 13,     /* an object of strings */
    PROVOST_T_POOL = 14,    /* the name of a pool under `pools:` in the configuration */
    PROVOST_T_JSON = 15     /* any value: mappings, lists, texts, numbers; never SECRET */
};

#define PROVOST_F_REQUIRED (1u << 0)
#define PROVOST_F_SECRET (1u << 1)    /* never shown, logged or pinned; read at use */
#define PROVOST_F_IMMUTABLE (1u << 2) /* product fields: an upgrade may not change it */
#define PROVOST_F_FILE (1u << 3)      /* settings: the path of a file that the plugin may read */

struct provost_field {
    const char *name;
    const char *label;       /* NULL: the name */
    const char *description; /* one sentence; NULL: none */
    const char *fallback;    /* the default, as it would stand in the configuration; NULL: none */
    const char *options;     /* PROVOST_T_SELECT: "a|b|c" */
    const char *pattern; /* a POSIX extended regular expression the text must match; NULL: any */
    int64_t min;         /* numbers: least value; strings and lists: least length */
    int64_t max;         /* the same, greatest; min == max == 0: no bounds */
    uint32_t type;       /* enum provost_type */
    uint32_t flags;      /* PROVOST_F_… */
};

/* ---- One call of a plugin function ----------------------------------------------------------- */

struct provost_host;

/* What a step or query is given. Every pointer is borrowed and valid until the function returns. */
struct provost_call {
    size_t struct_size;
    const struct provost_host *host;
    void *instance;  /* what provost_plugin.open returned */
    void *host_data; /* the host's own */
    /* Names, in UTF-8; "" where there is none (a query of an instance has no service). */
    const char *operation_id; /* "op_…" */
    const char *operation;    /* "create", …, or the action's name */
    const char *component;    /* the name under which the instance takes part in the product */
    const char *step;
    const char *service_id;  /* "svc_…" */
    const char *external_id; /* the billing system's id: for people, not for backend objects */
    const char *ref;         /* name backend objects by this only: 20 of [a-z0-9], a letter first */
    uint32_t generation; /* 1 for the first create of this service; terminate and create: 2, … */
    uint32_t run;        /* 1; one more after each completed undo */
    uint32_t attempt;    /* 1 for the first try of this step in this run */
    /* JSON objects as text. */
    const char *settings; /* the instance's settings: checked, with defaults and secrets */
    const char *input;    /* see docs/plugins.md, "What a step is given" */
    const char *state;    /* the component's state document; "{}" at first */
};

/* ---- HTTP ------------------------------------------------------------------------------------ */

#define PROVOST_H_IDEMPOTENT (1u << 0) /* repeatable: a lost connection leaves nothing unknown */
#define PROVOST_H_REDIRECTS (1u << 1)  /* follow up to 5 redirects (GET and HEAD only) */

struct provost_http_request {
    size_t struct_size;         /* sizeof(struct provost_http_request) */
    const char *method;         /* "GET" when NULL */
    const char *url;            /* http://, https://, or unix:/path/to.sock:/request/path */
    const char *const *headers; /* "Name: value", NULL-terminated; NULL: none. Never logged. */
    const char *body;           /* NULL: none */
    size_t body_len;
    uint32_t timeout_ms;       /* 0: 30,000; the step's own time limit also holds */
    uint32_t max_answer_bytes; /* 0: 1 MiB; at most 16 MiB */
    uint32_t flags;            /* PROVOST_H_… */
    const char *ca_file;       /* PEM file of a private CA; NULL: the system's; always verified */
    /* Not NULL: an Idempotency-Key header is sent, a hash that is the same in every attempt of this
     * step for this label. Use one label for each distinct request a step makes. */
    const char *idempotency_label;
};

struct provost_http_response {
    size_t struct_size; /* set by the caller: sizeof(struct provost_http_response) */
    int status;         /* 0 when there was no answer */
    const char *body;   /* NUL-terminated beyond body_len; valid until the call ends */
    size_t body_len;
    const char *headers;    /* the raw header lines, valid until the call ends */
    int64_t retry_after_ms; /* from Retry-After; -1: none */
};

/* ---- exec ------------------------------------------------------------------------------------ */

struct provost_exec_request {
    size_t struct_size;
    const char *const *argv; /* argv[0] is an absolute path; NULL-terminated; never a shell */
    const char *const *envp; /* "NAME=value"; NULL: an empty environment */
    const char *input;       /* bytes for standard input */
    size_t input_len;
    uint32_t timeout_ms;       /* 0: 30,000; then SIGTERM, 2 s later SIGKILL, to the whole group */
    uint32_t max_output_bytes; /* 0: 1 MiB for each of the two streams */
    /* Limits of the program and each of its children; 0: none. */
    uint32_t cpu_s;        /* processor time */
    uint64_t memory_bytes; /* address space */
    uint64_t file_bytes;   /* largest file it may write */
    uint32_t processes;    /* of this user, all in all */
};

struct provost_exec_result {
    size_t struct_size;
    int exit_status; /* -1 when a signal ended it */
    int signal;      /* 0 when it exited */
    const char *output;
    size_t output_len;
    const char *errors;
    size_t errors_len;
};

/* ---- resolve --------------------------------------------------------------------------------- */

#define PROVOST_R_NO_RECURSION (1u << 0) /* clear the RD bit: only what it knows itself */
#define PROVOST_R_AUTHORITY (1u << 1)    /* this name's NS records of the authority section too */

struct provost_resolve_request {
    size_t struct_size;
    const char *name;
    const char *type;    /* "A", "AAAA", "NS", "CNAME", "MX", "TXT", "SOA" */
    const char *servers; /* "192.0.2.1:53,[2001:db8::1]:53"; NULL: the system's resolvers */
    uint32_t timeout_ms; /* 0: 5,000 */
    uint32_t flags;      /* PROVOST_R_… */
};

struct provost_resolve_result {
    size_t struct_size;
    int rcode;                  /* DNS RCODE: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED */
    const char *const *answers; /* records in presentation form without owner ("10
                                   mail.example.com."); NULL-terminated */
    size_t count;
};

/* ---- The host's functions -------------------------------------------------------------------- */

enum provost_level { PROVOST_LOG_DEBUG, PROVOST_LOG_INFO, PROVOST_LOG_WARN, PROVOST_LOG_ERROR };

#define PROVOST_SCOPE_SERVICE 0
#define PROVOST_SCOPE_INSTANCE 1

/* Only members within struct_size may be called; test with PROVOST_HAS. What a call returns through
 * pointers belongs to the host and is valid until the step or query returns. `call` is always the
 * struct the function was given. Calls marked (durable) have been committed when they return 0, are
 * keyed by (operation, run, component, step, name) so that a repeated step gets the same value, and
 * are given back by a completed undo. */
struct provost_host {
    size_t struct_size;
    uint32_t abi; /* PROVOST_ABI of the host */

    /* The sentence for the last host call that failed in this call. Never NULL. */
    const char *(*error)(struct provost_call *call);
    /* Memory that is freed when the call ends. NULL when out of memory. */
    void *(*alloc)(struct provost_call *call, size_t size);
    /* Values registered with `secret` and SECRET settings are masked in the text. */
    void (*log)(struct provost_call *call, int level, const char *text);
    void (*secret)(struct provost_call *call, const char *value);
    /* What people see while it runs. percent -1: not known. */
    void (*progress)(struct provost_call *call, int percent, const char *text);

    /* Says more about the outcome; the function then returns `outcome`. retry_after_ms -1: the
     * usual backoff; for PROVOST_PENDING when to poll (0: only on a signal). text: one sentence for
     * people, copied; NULL: none. Returns `outcome`. */
    int (*outcome)(struct provost_call *call, int outcome, int64_t retry_after_ms,
                   const char *text);
    /* JSON that a query answers, or that an action shows the customer. Copied; at most 64 KiB. */
    int (*result)(struct provost_call *call, const char *json);

    /* Replaces the state document (a JSON object, at most 64 KiB). Copied. Becomes durable with the
     * outcome of the call, whatever that is. */
    int (*state_set)(struct provost_call *call, const char *json);
    /* (waits, durable) Makes the state document as it is now durable at once. */
    int (*state_save)(struct provost_call *call);

    /* (waits) 0 when there is an answer of any status. */
    int (*http)(struct provost_call *call, const struct provost_http_request *request,
                struct provost_http_response *response);
    /* (waits) At most 30,000 ms; longer waits are PROVOST_PENDING. */
    int (*sleep)(struct provost_call *call, uint32_t ms);
    /* (waits) Needs PROVOST_P_EXEC and a program that was granted. */
    int (*exec)(struct provost_call *call, const struct provost_exec_request *request,
                struct provost_exec_result *result);
    /* (waits) 0 when a server answered, whatever the RCODE. */
    int (*resolve)(struct provost_call *call, const struct provost_resolve_request *request,
                   struct provost_resolve_result *result);
    /* (waits) Runs fn(arg) on a thread; fn may call no host function. */
    int (*blocking)(struct provost_call *call, void (*fn)(void *arg), void *arg);

    /* A URL that an outside party calls (POST, without a token) when something is done; the
     * operation is woken, and the JSON body (none: null) stands in the input of poll under
     * signals.<name>. Whoever has the URL may send any signal to this operation, and nothing else:
     * its key is registered as a secret. The same in every call of the operation. */
    int (*signal_url)(struct provost_call *call, const char *name, const char **ret_url);
    /* 64 hexadecimal digits: a hash of (operation, run, component, step, direction, label). */
    int (*idempotency_key)(struct provost_call *call, const char *label, const char **ret_key);

    /* (waits) value is JSON text; PROVOST_E_NOT_FOUND when there is none. version counts from 1. Of
     * what is durable, the only call that a query may make. */
    int (*kv_get)(struct provost_call *call, int scope, const char *key, const char **ret_value,
                  uint64_t *ret_version);
    /* (waits, durable) expected_version 0: must not exist yet. value NULL: delete. 16 KiB. */
    int (*kv_put)(struct provost_call *call, int scope, const char *key, const char *value,
                  uint64_t expected_version);
    /* (waits, durable) One value out of a pool of the configuration, unique over all services. */
    int (*pool_take)(struct provost_call *call, const char *pool, const char *name,
                     const char **ret_value);
    /* (waits, durable) Gives a value of this service back; it is reused after the pool's
     * reuse_after. */
    int (*pool_give)(struct provost_call *call, const char *pool, const char *name);
    /* (waits, durable) The backend says it is occupied: set aside; the next pool_take gives
     * another. */
    int (*pool_reject)(struct provost_call *call, const char *pool, const char *name);
    /* (waits, durable) Takes `amount` of a quota of the plan, or confirms what the action reserved.
     * PROVOST_E_EXHAUSTED over the plan's limit. */
    int (*quota_take)(struct provost_call *call, const char *quota, int64_t amount);
    int (*quota_give)(struct provost_call *call, const char *quota, int64_t amount);
    /* (waits, durable) A random string of `length` characters of `alphabet` (NULL: A-Z, a-z, 0-9).
     * Registered as a secret. */
    int (*secret_new)(struct provost_call *call, const char *name, const char *alphabet,
                      uint32_t length, const char **ret_value);
};

#define PROVOST_HAS(host, member)                                                                  \
    ((host)->struct_size >= offsetof(struct provost_host, member) + sizeof((host)->member))

/* ---- Steps, operations, actions, queries ----------------------------------------------------- */

/* Returns an enum provost_outcome. */
typedef int (*provost_step_fn)(struct provost_call *call);

#define PROVOST_S_REPEATABLE (1u << 0) /* run may be called again, whatever became of it */

struct provost_step {
    const char *name;       /* [a-z][a-z0-9_]*, unique within the operation */
    provost_step_fn run;    /* never NULL */
    provost_step_fn undo;   /* NULL: there is nothing to undo */
    provost_step_fn lookup; /* NULL: cannot be looked up */
    provost_step_fn poll;   /* after PROVOST_PENDING; NULL: run is called again */
    uint32_t flags;         /* PROVOST_S_… */
    uint32_t timeout_ms;    /* of one call; 0: 60,000 */
    uint32_t settle_ms;     /* how long after the last send "absent" can be believed; 0: 5,000 */
};

/* An action: something that a customer may do to an active service. */
struct provost_action {
    const char *name;
    const char *label;
    const char *confirm;              /* asked before it is done; NULL: nothing */
    const struct provost_field *form; /* ends with {0}; NULL: no fields */
    const struct provost_step *steps; /* ends with {0} */
    const char *quota;                /* the quota it changes; NULL: none */
    int32_t quota_delta;              /* 1: takes one when accepted; -1: gives one back when done */
    uint32_t flags;
};

/* Who may ask. */
#define PROVOST_Q_TOKEN 0u    /* a token of the service's source (or with the instance's scope) */
#define PROVOST_Q_PUBLIC 1u   /* anybody, rate-limited */
#define PROVOST_Q_CUSTOMER 2u /* a customer's session too */

/* A query changes nothing, waits for nothing else, and has 10 s. It answers with host->result. */
struct provost_query {
    const char *name; /* of a service: "status", "view", "usage", "sso", "reveal"; of an instance:
                         "test", "capacity", "inventory"; and the plugin's own */
    provost_step_fn run;
    const struct provost_field *params; /* ends with {0}; NULL: none. In input under "query". */
    uint32_t access;                    /* PROVOST_Q_… */
    uint32_t flags;
};

/* What a plugin needs beyond HTTP, DNS and its data folder. The administrator grants it by naming
 * paths; what is not both declared and granted fails, also for code that does not ask the host. */
#define PROVOST_P_EXEC (1u << 0)         /* starts programs */
#define PROVOST_P_READ (1u << 1)         /* reads files beyond the system's libraries */
#define PROVOST_P_WRITE (1u << 2)        /* writes beyond its data folder */
#define PROVOST_P_UNIX_SOCKETS (1u << 3) /* connects to Unix sockets: unix:/path… URLs */

/* ---- The plugin ------------------------------------------------------------------------------ */

struct provost_plugin {
    size_t struct_size;
    uint32_t abi;
    /* Strides of the tables below, stamped by PROVOST_PLUGIN_HEAD: tables may grow too. */
    uint32_t field_size;
    uint32_t step_size;
    uint32_t action_size;
    uint32_t query_size;
    uint32_t flags;                       /* PROVOST_P_… */
    const char *name;                     /* [a-z][a-z0-9-]*, the module's file name */
    const char *version;                  /* of the plugin, "1.2.0" */
    const char *summary;                  /* one sentence */
    const struct provost_field *settings; /* per instance; each table ends with {0}, NULL: empty */
    const struct provost_field *product;  /* per product and plan */
    const struct provost_field *checkout; /* asked of the customer */
    const struct provost_step *create;
    const struct provost_step *suspend;
    const struct provost_step *unsuspend;
    const struct provost_step *terminate;
    const struct provost_step *upgrade;
    const struct provost_step *renew;
    const struct provost_action *actions;
    const struct provost_query *service_queries;
    const struct provost_query *instance_queries;
    /* Once, before any call; on the loop thread, not a coroutine: may make no host call. settings
     * is the JSON of the instance. Non-zero: the instance does not start; error holds why. NULL:
     * none. */
    int (*open)(const char *settings, void **ret_instance, char *error, size_t error_size);
    void (*close)(void *instance);
    /* For a plugin whose operations depend on its settings; NULL: the tables above are all there
     * is. Called once before open, and by itself where a configuration is checked, then perhaps as
     * another user: may read files, and nothing else. settings is the instance's JSON without its
     * SECRET fields. *ret_plugin's tables take the place of those above, but for settings; its
     * version and summary count where they are not NULL, its name, flags, open and close do not. It
     * is the plugin's and lives as long as the process. The same settings must give the same
     * tables: they are recorded with operations. Non-zero: the settings cannot be used; error holds
     * why, as "PATH: sentence", PATH being that of a value within the settings. */
    int (*declare)(const char *settings, const struct provost_plugin **ret_plugin, char *error,
                   size_t error_size);
};

/* Opens the initializer of a struct provost_plugin. */
#define PROVOST_PLUGIN_HEAD                                                                        \
    sizeof(struct provost_plugin), PROVOST_ABI, (uint32_t)sizeof(struct provost_field),            \
        (uint32_t)sizeof(struct provost_step), (uint32_t)sizeof(struct provost_action),            \
        (uint32_t)sizeof(struct provost_query)

#if defined(__GNUC__)
#define PROVOST_EXPORT __attribute__((visibility("default")))
#else
#define PROVOST_EXPORT
#endif

/* The one exported symbol. */
typedef const struct provost_plugin *(*provost_plugin_entry_fn)(void);
#define PROVOST_PLUGIN_SYMBOL "provost_plugin_entry"

/* At file scope, once: PROVOST_PLUGIN(my_plugin) */
#define PROVOST_PLUGIN(plugin)                                                                     \
    PROVOST_EXPORT const struct provost_plugin *provost_plugin_entry(void);                        \
    PROVOST_EXPORT const struct provost_plugin *provost_plugin_entry(void)                         \
    {                                                                                              \
        return &(plugin);                                                                          \
    }

#ifdef __cplusplus
}
#endif

#endif

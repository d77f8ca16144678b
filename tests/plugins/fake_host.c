/* SPDX-License-Identifier: Apache-2.0 */
/* See fake_host.h. */
#include "tests/plugins/fake_host.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

struct block {
    struct block *next;
    char bytes[];
};

/* host_data of a call. */
struct frame {
    struct fake_host *host;
    struct fake_outcome *outcome;
    struct block *blocks;
    char error[512];
};

static struct frame *frame_of(struct provost_call *call)
{
    return call->host_data;
}

static const char *host_error(struct provost_call *call)
{
    return frame_of(call)->error;
}

static int fail(struct provost_call *call, int error, const char *text)
{
    snprintf(frame_of(call)->error, sizeof(frame_of(call)->error), "%s", text);
    return error;
}

static void *host_alloc(struct provost_call *call, size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    block->next = frame_of(call)->blocks;
    frame_of(call)->blocks = block;
    return block->bytes;
}

static char *host_copy(struct provost_call *call, const char *text, size_t length)
{
    char *copy = host_alloc(call, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

static void host_log(struct provost_call *call, int level, const char *text)
{
    (void)call;
    fprintf(stderr, "log %d: %s\n", level, text);
}

static void host_secret(struct provost_call *call, const char *value)
{
    (void)call;
    (void)value;
}

static void host_progress(struct provost_call *call, int percent, const char *text)
{
    (void)call;
    (void)percent;
    (void)text;
}

static int host_outcome(struct provost_call *call, int outcome, int64_t retry_after_ms,
                        const char *text)
{
    struct fake_outcome *said = frame_of(call)->outcome;
    free(said->text);
    said->text = text == NULL ? NULL : strdup(text);
    said->retry_after_ms = retry_after_ms;
    return outcome;
}

static int host_result(struct provost_call *call, const char *json)
{
    if (strlen(json) > 65536) {
        return fail(call, PROVOST_E_TOO_BIG, "the result is over 64 KiB");
    }
    free(frame_of(call)->outcome->result);
    frame_of(call)->outcome->result = strdup(json);
    return 0;
}

static int host_state_set(struct provost_call *call, const char *json)
{
    if (strlen(json) > 65536) {
        return fail(call, PROVOST_E_TOO_BIG, "the state document is over 64 KiB");
    }
    free(frame_of(call)->outcome->state);
    frame_of(call)->outcome->state = strdup(json);
    return 0;
}

static int host_state_save(struct provost_call *call)
{
    (void)call;
    return 0;
}

/* ---- http ---- */

struct text {
    char *bytes;
    size_t length;
};

static size_t collect(char *bytes, size_t size, size_t count, void *arg)
{
    struct text *text = arg;
    char *more = realloc(text->bytes, text->length + size * count + 1);
    if (more == NULL) {
        return 0;
    }
    memcpy(more + text->length, bytes, size * count);
    text->bytes = more;
    text->length += size * count;
    more[text->length] = '\0';
    return size * count;
}

static int curl_error(struct provost_call *call, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return fail(call, PROVOST_E_NOT_SENT, curl_easy_strerror(code));
    case CURLE_OPERATION_TIMEDOUT:
        return fail(call, PROVOST_E_TIMEOUT, curl_easy_strerror(code));
    case CURLE_PEER_FAILED_VERIFICATION:
        return fail(call, PROVOST_E_TLS, curl_easy_strerror(code));
    default:
        return fail(call, PROVOST_E_LOST, curl_easy_strerror(code));
    }
}

static int send_request(struct provost_call *call, const struct provost_http_request *request,
                        struct provost_http_response *response)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    struct text body = {0};
    struct text head = {0};
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        headers = curl_slist_append(headers, request->headers[i]);
    }
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(request->timeout_ms > 0 ? request->timeout_ms : 30000));
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST,
                     request->method == NULL ? "GET" : request->method);
    if (request->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body_len);
    }
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    response->status = (int)status;
    response->body = host_copy(call, body.bytes == NULL ? "" : body.bytes, body.length);
    response->body_len = body.length;
    response->headers = host_copy(call, head.bytes == NULL ? "" : head.bytes, head.length);
    response->retry_after_ms = retry_after > 0 ? (int64_t)retry_after * 1000 : -1;
    free(body.bytes);
    free(head.bytes);
    return code == CURLE_OK ? 0 : curl_error(call, code);
}

static int host_http(struct provost_call *call, const struct provost_http_request *request,
                     struct provost_http_response *response)
{
    struct fake_host *host = frame_of(call)->host;
    host->http_calls++;
    struct fake_fault fault = host->fault;
    bool now = fault.countdown > 0 && --host->fault.countdown == 0;
    if (!now || fault.send) {
        int error = send_request(call, request, response);
        if (!now || error != 0) {
            return error;
        }
    }
    if (fault.error != 0) {
        response->status = 0;
        return fail(call, fault.error, "a fault of the test");
    }
    response->status = fault.status;
    response->body = "a fault of the test";
    response->body_len = strlen(response->body);
    response->headers = "";
    response->retry_after_ms = 1500;
    return 0;
}

static int host_sleep(struct provost_call *call, uint32_t ms)
{
    (void)call;
    (void)ms;
    return 0;
}

static int host_exec(struct provost_call *call, const struct provost_exec_request *request,
                     struct provost_exec_result *result)
{
    (void)request;
    (void)result;
    return fail(call, PROVOST_E_DENIED, "exec is not declared");
}

/* ---- resolve ---- */

static int rcode_of(const char *name)
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(name, names[i], strlen(names[i])) == 0) {
            return (int)i;
        }
    }
    return 2;
}

/* "example.com. 3600 IN NS ns1.example.net." → its data, when owner and type are the wanted ones.
 */
static char *record_data(char *line, const char *name, const char *type)
{
    char *words[4];
    char *rest = line;
    for (size_t i = 0; i < 4; i++) {
        rest += strspn(rest, " \t");
        words[i] = strsep(&rest, " \t\n");
        if (rest == NULL) {
            return NULL;
        }
    }
    size_t length = strlen(name);
    length -= length > 0 && name[length - 1] == '.';
    if (strcmp(words[3], type) != 0 || strncasecmp(words[0], name, length) != 0 ||
        strcmp(words[0] + length, ".") != 0) {
        return NULL;
    }
    rest += strspn(rest, " \t");
    rest[strcspn(rest, "\n")] = '\0';
    return rest;
}

/* Starts dig; its output comes out of the stream. */
static FILE *start_dig(const struct fake_host *host, const struct provost_resolve_request *request,
                       pid_t *ret_pid)
{
    char address[128] = "@";
    char port[16] = "53";
    const char *colon = request->servers == NULL ? NULL : strrchr(request->servers, ':');
    if (colon != NULL) {
        snprintf(address, sizeof(address), "@%.*s", (int)(colon - request->servers),
                 request->servers);
        snprintf(port, sizeof(port), "%s", colon + 1);
    }
    if (host->dns_port != 0 && strcmp(port, "53") == 0) {
        snprintf(port, sizeof(port), "%d", host->dns_port);
        if (colon == NULL) {
            snprintf(address, sizeof(address), "@127.0.0.1");
        }
    }
    bool recurse = (request->flags & PROVOST_R_NO_RECURSION) == 0;
    bool authority = (request->flags & PROVOST_R_AUTHORITY) != 0;
    int ends[2];
    if (pipe(ends) != 0) {
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        execlp("dig", "dig", "+time=1", "+tries=1", "+noall", "+comments", "+answer",
               authority ? "+authority" : "+noauthority", recurse ? "+recurse" : "+norecurse", "-p",
               port, request->name, request->type, address[1] != '\0' ? address : NULL, NULL);
        _exit(127);
    }
    close(ends[1]);
    *ret_pid = pid;
    return fdopen(ends[0], "r");
}

static int host_resolve(struct provost_call *call, const struct provost_resolve_request *request,
                        struct provost_resolve_result *result)
{
    pid_t pid = -1;
    FILE *dig = start_dig(frame_of(call)->host, request, &pid);
    const char **answers = host_alloc(call, 65 * sizeof(*answers));
    char line[4096];
    bool answered = false;
    while (dig != NULL && fgets(line, sizeof(line), dig) != NULL) {
        char *status = strstr(line, "status: ");
        if (line[0] == ';' && status != NULL) {
            result->rcode = rcode_of(status + 8);
            answered = true;
        }
        char *data = line[0] == ';' ? NULL : record_data(line, request->name, request->type);
        if (data != NULL && result->count < 64) {
            answers[result->count++] = host_copy(call, data, strlen(data));
        }
    }
    if (dig != NULL) {
        fclose(dig);
        waitpid(pid, NULL, 0);
    }
    result->answers = answers;
    return answered ? 0 : fail(call, PROVOST_E_TIMEOUT, "no server answered");
}

static int host_blocking(struct provost_call *call, void (*fn)(void *arg), void *arg)
{
    (void)call;
    fn(arg);
    return 0;
}

static int host_signal_url(struct provost_call *call, const char *name, const char **ret_url)
{
    *ret_url = host_copy(call, name, strlen(name));
    return 0;
}

static int host_idempotency_key(struct provost_call *call, const char *label, const char **ret_key)
{
    char key[512];
    snprintf(key, sizeof(key), "%s/%u/%s/%s", call->operation_id, call->run, call->step, label);
    *ret_key = host_copy(call, key, strlen(key));
    return 0;
}

/* ---- what is durable ---- */

static void kv_name(struct provost_call *call, int scope, const char *key, char name[512])
{
    snprintf(name, 512, "%s/%s", scope == PROVOST_SCOPE_INSTANCE ? "" : call->ref, key);
}

static int host_kv_get(struct provost_call *call, int scope, const char *key,
                       const char **ret_value, uint64_t *ret_version)
{
    char name[512];
    kv_name(call, scope, key, name);
    json_t *entry = json_object_get(frame_of(call)->host->kv, name);
    if (entry == NULL) {
        return fail(call, PROVOST_E_NOT_FOUND, "there is no such key");
    }
    const char *value = json_string_value(json_object_get(entry, "value"));
    *ret_value = host_copy(call, value, strlen(value));
    *ret_version = (uint64_t)json_integer_value(json_object_get(entry, "version"));
    return 0;
}

static int host_kv_put(struct provost_call *call, int scope, const char *key, const char *value,
                       uint64_t expected_version)
{
    char name[512];
    kv_name(call, scope, key, name);
    json_t *kv = frame_of(call)->host->kv;
    uint64_t version =
        (uint64_t)json_integer_value(json_object_get(json_object_get(kv, name), "version"));
    if (version != expected_version) {
        return fail(call, PROVOST_E_CONFLICT, "the version is not the present one");
    }
    if (value == NULL) {
        json_object_del(kv, name);
    } else {
        json_object_set_new(
            kv, name,
            json_pack("{s:s, s:I}", "value", value, "version", (json_int_t)(version + 1)));
    }
    return 0;
}

static int host_pool(struct provost_call *call, const char *pool, const char *name)
{
    (void)pool;
    (void)name;
    return fail(call, PROVOST_E_DENIED, "there are no pools in this test");
}

static int host_pool_take(struct provost_call *call, const char *pool, const char *name,
                          const char **ret_value)
{
    (void)ret_value;
    return host_pool(call, pool, name);
}

/* Keyed as the real one is: a repeated step takes nothing twice. */
static int host_quota_take(struct provost_call *call, const char *quota, int64_t amount)
{
    struct fake_host *host = frame_of(call)->host;
    char reservation[512];
    char name[256];
    snprintf(reservation, sizeof(reservation), "quota/%s/%u/%s/%s", call->operation_id, call->run,
             call->step, quota);
    snprintf(name, sizeof(name), "%s/%s", call->ref, quota);
    if (json_object_get(host->secrets, reservation) != NULL) {
        return 0;
    }
    json_t *limit = json_object_get(host->limits, quota);
    int64_t used = (int64_t)json_integer_value(json_object_get(host->quotas, name));
    if (limit != NULL && used + amount > (int64_t)json_integer_value(limit)) {
        return fail(call, PROVOST_E_EXHAUSTED, "the quota is used up");
    }
    json_object_set_new(host->quotas, name, json_integer((json_int_t)(used + amount)));
    json_object_set_new(host->secrets, reservation, json_true());
    return 0;
}

static int host_quota_give(struct provost_call *call, const char *quota, int64_t amount)
{
    (void)quota;
    (void)amount;
    return fail(call, PROVOST_E_INVALID, "not needed by a plugin so far");
}

static int host_secret_new(struct provost_call *call, const char *name, const char *alphabet,
                           uint32_t length, const char **ret_value)
{
    struct fake_host *host = frame_of(call)->host;
    char reservation[512];
    snprintf(reservation, sizeof(reservation), "secret/%s/%u/%s/%s", call->operation_id, call->run,
             call->step, name);
    const char *kept = json_string_value(json_object_get(host->secrets, reservation));
    if (kept == NULL) {
        const char *from = alphabet != NULL ? alphabet : "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        char value[129] = "";
        FILE *random = fopen("/dev/urandom", "rb");
        for (uint32_t i = 0; i < length && i < 128; i++) {
            value[i] = from[(size_t)fgetc(random) % strlen(from)];
        }
        fclose(random);
        json_object_set_new(host->secrets, reservation, json_string(value));
        kept = json_string_value(json_object_get(host->secrets, reservation));
    }
    *ret_value = host_copy(call, kept, strlen(kept));
    return 0;
}

/* ---- the host itself ---- */

static const struct provost_host table = {
    .struct_size = sizeof(struct provost_host),
    .abi = PROVOST_ABI,
    .error = host_error,
    .alloc = host_alloc,
    .log = host_log,
    .secret = host_secret,
    .progress = host_progress,
    .outcome = host_outcome,
    .result = host_result,
    .state_set = host_state_set,
    .state_save = host_state_save,
    .http = host_http,
    .sleep = host_sleep,
    .exec = host_exec,
    .resolve = host_resolve,
    .blocking = host_blocking,
    .signal_url = host_signal_url,
    .idempotency_key = host_idempotency_key,
    .kv_get = host_kv_get,
    .kv_put = host_kv_put,
    .pool_take = host_pool_take,
    .pool_give = host_pool,
    .pool_reject = host_pool,
    .quota_take = host_quota_take,
    .quota_give = host_quota_give,
    .secret_new = host_secret_new,
};

int fake_host_open(struct fake_host *host, const char *module, const char *settings)
{
    *host = (struct fake_host){.table = table};
    void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return -1;
    }
    provost_plugin_entry_fn entry = NULL;
    *(void **)&entry = dlsym(library, PROVOST_PLUGIN_SYMBOL);
    if (entry == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return -1;
    }
    host->plugin = entry();
    host->settings = strdup(settings);
    host->kv = json_object();
    host->quotas = json_object();
    host->limits = json_object();
    host->secrets = json_object();
    char error[512] = "";
    const struct provost_plugin *declared = NULL;
    if (host->plugin->declare != NULL &&
        host->plugin->declare(settings, &declared, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    if (declared != NULL) {
        host->own = *declared;
        host->own.open = host->plugin->open;
        host->own.close = host->plugin->close;
        host->plugin = &host->own;
    }
    if (host->plugin->open != NULL &&
        host->plugin->open(settings, &host->instance, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    return 0;
}

void fake_host_close(struct fake_host *host)
{
    if (host->plugin != NULL && host->plugin->close != NULL) {
        host->plugin->close(host->instance);
    }
    free(host->settings);
    json_decref(host->kv);
    json_decref(host->quotas);
    json_decref(host->limits);
    json_decref(host->secrets);
}

void fake_host_call(struct fake_host *host, provost_step_fn function, const struct fake_call *call,
                    struct fake_outcome *ret_outcome)
{
    char service_id[128];
    snprintf(service_id, sizeof(service_id), "svc_%s", call->service);
    *ret_outcome = (struct fake_outcome){.retry_after_ms = -1};
    struct frame frame = {.host = host, .outcome = ret_outcome};
    struct provost_call full = {
        .struct_size = sizeof(full),
        .host = &host->table,
        .instance = host->instance,
        .host_data = &frame,
        .operation_id = call->operation_id,
        .operation = call->operation,
        .component = "test",
        .step = call->step,
        .service_id = service_id,
        .external_id = call->service,
        .ref = call->ref,
        .generation = 1,
        .run = call->run,
        .attempt = call->attempt,
        .settings = host->settings,
        .input = call->input,
        .state = call->state,
    };
    ret_outcome->code = function(&full);
    while (frame.blocks != NULL) {
        struct block *next = frame.blocks->next;
        free(frame.blocks);
        frame.blocks = next;
    }
}

void fake_outcome_done(struct fake_outcome *outcome)
{
    free(outcome->text);
    free(outcome->result);
    free(outcome->state);
    *outcome = (struct fake_outcome){0};
}

-- SPDX-License-Identifier: Apache-2.0
-- wrk: POST /v1/events, each a create of a service of its own. From the environment: BENCH_PREFIX
-- (unique to the run), BENCH_TOKEN, BENCH_PRODUCT, BENCH_WAIT (seconds of Prefer: wait; empty: none),
-- BENCH_ARRAY (events in a request, as an array; empty: one, by itself).
-- The last line it prints is one JSON object.

local prefix = os.getenv("BENCH_PREFIX") or "bench"
local token = os.getenv("BENCH_TOKEN") or ""
local product = os.getenv("BENCH_PRODUCT") or "support"
local wait = os.getenv("BENCH_WAIT") or ""
local array = tonumber(os.getenv("BENCH_ARRAY") or "")
local parts = {}
local threads = 0
local head, before, between, after
local count = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(args)
    head = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        .. "Authorization: Bearer " .. token .. "\r\n"
    if wait ~= "" then
        head = head .. "Prefer: wait=" .. wait .. "\r\n"
    end
    head = head .. "Content-Length: "
    before = '{"id":"e-' .. prefix .. "-" .. number .. "-"
    between = '","type":"service.create","service":{"id":"s-' .. prefix .. "-" .. number .. "-"
    after = '","product":"' .. product .. '","plan":"basic"},"customer":{"id":"4711",'
        .. '"email":"customer@example.com","firstname":"Ada","lastname":"Lovelace"}}'
end

local function events()
    for i = 1, array do
        count = count + 1
        parts[i] = before .. count .. between .. count .. after
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

function request()
    local body
    if array then
        body = events()
    else
        count = count + 1
        body = before .. count .. between .. count .. after
    end
    return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
    io.write(string.format(
        '{"requests": %d, "duration_us": %d, "refused": %d, "broken": %d, "p50_us": %d, '
        .. '"p99_us": %d, "max_us": %d}\n',
        summary.requests, summary.duration, summary.errors.status,
        summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end

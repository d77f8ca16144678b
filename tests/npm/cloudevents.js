// SPDX-License-Identifier: Apache-2.0
// Sends CloudEvents as the package `cloudevents` makes them.
// stdin: {"url", "token", "requests": [{"mode": "structured"|"binary"|"batch", "events": [{…}]}]}
// stdout: [{"status", "body"}]

const { CloudEvent, HTTP, CONSTANTS } = require("cloudevents");

async function input() {
  const parts = [];
  for await (const part of process.stdin) {
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString());
}

function message(mode, events) {
  const made = events.map((event) => new CloudEvent(event));
  if (mode === "batch") {
    return {
      headers: { [CONSTANTS.HEADER_CONTENT_TYPE]: CONSTANTS.MIME_CE_BATCH },
      body: JSON.stringify(made),
    };
  }
  return mode === "binary" ? HTTP.binary(made[0]) : HTTP.structured(made[0]);
}

async function main() {
  const { url, token, requests } = await input();
  const answers = [];
  for (const { mode, events } of requests) {
    const { headers, body } = message(mode, events);
    const answer = await fetch(url, {
      method: "POST",
      headers: { ...headers, Authorization: `Bearer ${token}` },
      body,
    });
    answers.push({ status: answer.status, body: await answer.json(), sent: headers });
  }
  process.stdout.write(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

// SPDX-License-Identifier: Apache-2.0
// Checks webhooks as the package `standardwebhooks` does.
// stdin: [{"secret", "headers": {…}, "body"}]
// stdout: [{"ok": true, "type"} or {"ok": false, "error"}]

const { Webhook } = require("standardwebhooks");

async function main() {
  const parts = [];
  for await (const part of process.stdin) {
    parts.push(part);
  }
  const verdicts = JSON.parse(Buffer.concat(parts).toString()).map(({ secret, headers, body }) => {
    try {
      return { ok: true, type: new Webhook(secret).verify(body, headers).type };
    } catch (error) {
      return { ok: false, error: error.message };
    }
  });
  process.stdout.write(JSON.stringify(verdicts));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

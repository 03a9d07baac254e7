// Reads the contacts that were made from Tact's feed, and counts them by channel and outcome.

import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { NATS_URL, NATS_USER, NATS_PASSWORD, TACT_NETWORK } = process.env;
const connection = await connect({ servers: NATS_URL, user: NATS_USER, pass: NATS_PASSWORD, maxReconnectAttempts: 3 });
const feed = jetstream(connection, { domain: "feed" });
// An ordered consumer: it goes away with this program, and makes itself anew after an interruption.
const consumer = await feed.consumers.get(`tact-${TACT_NETWORK}-feed`, {
  filter_subjects: [`${TACT_NETWORK}.feed.contact.made.*`],
  deliver_policy: DeliverPolicy.All,
});

const counts = new Map();
const seen = new Set();
let pending = (await consumer.info()).num_pending;
while (pending > 0) {
  const messages = await consumer.fetch({ max_messages: Math.min(pending, 500), expires: 10000 });
  for await (const message of messages) {
    pending = message.info.pending;
    const event = message.json();
    // At least once: the same event may come again, and has the same id then.
    if (seen.has(event.id)) continue;
    seen.add(event.id);
    const key = `${event.data.channel} ${event.data.outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}
for (const [key, count] of [...counts].sort()) console.log(`${key} ${count}`);
console.log(`${seen.size} contacts`);
await connection.close();

"""Reads the refusals of permits from Tact's feed, and counts them by branch and reason."""

import asyncio
import collections
import os

import nats
from cloudevents.core.formats.json import JSONFormat
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy


async def main():
    network = os.environ["TACT_NETWORK"]
    client = await nats.connect(
        os.environ["NATS_URL"], user=os.environ["NATS_USER"], password=os.environ["NATS_PASSWORD"], max_reconnect_attempts=3
    )
    feed = client.jetstream(domain="feed")
    # A consumer that goes away with this program. One with a `durable` name goes on where it was.
    subscription = await feed.pull_subscribe(
        f"{network}.feed.contact.refused.*",
        stream=f"tact-{network}-feed",
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE),
    )
    counts, seen = collections.Counter(), set()
    pending = (await subscription.consumer_info()).num_pending
    while pending > 0:
        for message in await subscription.fetch(min(pending, 500), timeout=10):
            pending = message.metadata.num_pending
            event = JSONFormat().read(None, message.data)
            # At least once: the same event may come again, and has the same id then.
            if event.get_id() in seen:
                continue
            seen.add(event.get_id())
            for reason in event.get_data()["reasons"]:
                counts[event.get_extension("branch") or "-", reason["code"]] += 1
    for (branch, reason), count in sorted(counts.items()):
        print(f"{branch} {reason} {count}")
    print(f"{len(seen)} refusals")
    await client.close()


asyncio.run(main())

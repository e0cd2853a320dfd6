"""confluent-kafka (librdkafka) against the broker: admin, every codec, groups with a rebalance, commits, offsets by time."""

import os
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

BOOTSTRAP = os.environ["WEIR_TEST_BOOTSTRAP"]
DEADLINE_S = 30


def consumer(group):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})


def poll_until(consumers, done):
    end = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < end, "no progress before the deadline"
        for it in consumers:
            message = it.poll(0.05)
            if message is not None:
                assert message.error() is None, message.error()
                yield it, message


admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
topics = ["confluent-none", "confluent-gzip", "confluent-snappy", "confluent-lz4", "confluent-zstd"]
for future in admin.create_topics([NewTopic(name, 4, 1, config={"retention.ms": "86400000"}) for name in topics]).values():
    future.result(DEADLINE_S)
assert len(admin.list_topics(topics[0], timeout=DEADLINE_S).topics[topics[0]].partitions) == 4
resource = ConfigResource(ResourceType.TOPIC, topics[0])
config = admin.describe_configs([resource])[resource].result(DEADLINE_S)
assert config["retention.ms"].value == "86400000", config["retention.ms"]

for name in topics:
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "compression.type": name.split("-")[1], "enable.idempotence": True, "linger.ms": 5})
    errors = []
    for at in range(2000):
        producer.produce(name, key=f"k{at % 50}", value=f"value {at}", headers=[("h", b"1"), ("h", b"2")], on_delivery=lambda error, _: error and errors.append(error))
    assert producer.flush(DEADLINE_S) == 0 and not errors, errors[:3]
    reader = consumer(f"read-{name}")
    reader.subscribe([name])
    seen = []
    for _, message in poll_until([reader], lambda: len(seen) == 2000):
        seen.append(message.value())
        assert message.headers() == [("h", b"1"), ("h", b"2")]
    assert sorted(seen) == sorted(f"value {at}".encode() for at in range(2000))
    reader.commit(asynchronous=False)
    reader.close()

# Two members share four partitions; when one leaves, the other has all of them.
first, second = consumer("rebalance"), consumer("rebalance")
first.subscribe([topics[0]])
second.subscribe([topics[0]])
list(poll_until([first, second], lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2))
second.close()
list(poll_until([first], lambda: len(first.assignment()) == 4))
described = admin.describe_consumer_groups(["rebalance"])["rebalance"].result(DEADLINE_S)
assert len(described.members) == 1 and described.state.name == "STABLE", described.state
first.close()

committed = consumer(f"read-{topics[0]}").committed([TopicPartition(topics[0], at) for at in range(4)], timeout=DEADLINE_S)
assert sum(it.offset for it in committed) == 2000, committed
groups = {it.group_id for it in admin.list_consumer_groups().result(DEADLINE_S).valid}
assert {"rebalance", f"read-{topics[0]}"} <= groups, groups
at_end = consumer("times").offsets_for_times([TopicPartition(topics[0], 0, int(time.time() * 1000) + 60_000)], timeout=DEADLINE_S)
low, high = consumer("times").get_watermark_offsets(TopicPartition(topics[0], 0), timeout=DEADLINE_S)
assert at_end[0].offset in (-1, high), at_end
for future in admin.delete_consumer_groups(["rebalance"]).values():
    future.result(DEADLINE_S)
for future in admin.delete_topics(topics[1:]).values():
    future.result(DEADLINE_S)
print("admin, 5 codecs, idempotence, group rebalance, commits, offsets by time")

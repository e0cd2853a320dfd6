"""kafka-python (its own protocol code) against the broker: admin, codecs it has, groups, commits."""

import os
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

BOOTSTRAP = os.environ["WEIR_TEST_BOOTSTRAP"]
DEADLINE_S = 30

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
admin.create_topics([NewTopic("kafka-python", 3, 1)])
assert "kafka-python" in admin.list_topics()

for codec in (None, "gzip"):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, acks="all", retries=3)
    futures = [producer.send("kafka-python", key=f"k{at % 9}".encode(), value=f"{codec} {at}".encode()) for at in range(500)]
    producer.flush(DEADLINE_S)
    assert all(future.get(DEADLINE_S).offset >= 0 for future in futures)
    producer.close()

reader = KafkaConsumer("kafka-python", bootstrap_servers=BOOTSTRAP, group_id="kafka-python-group", auto_offset_reset="earliest", enable_auto_commit=False)
seen = []
end = time.monotonic() + DEADLINE_S
while len(seen) < 1000:
    assert time.monotonic() < end, f"only {len(seen)} of 1000 records"
    for records in reader.poll(200).values():
        seen += [record.value for record in records]
assert len(set(seen)) == 1000
assert len(reader.assignment()) == 3
reader.commit()
partitions = [TopicPartition("kafka-python", at) for at in range(3)]
assert sum(reader.committed(it) for it in partitions) == 1000
assert sum(reader.end_offsets(partitions).values()) == 1000
assert sum(reader.beginning_offsets(partitions).values()) == 0
reader.close()
assert "kafka-python-group" in str(admin.list_groups())
admin.delete_topics(["kafka-python"])
admin.close()
print("admin, produce, gzip, group, commits, offsets")

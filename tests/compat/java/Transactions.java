import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;

/** Transactions: committed is seen, aborted is not, an old incarnation is fenced, offsets go with the results. */
public final class Transactions {
    public static void main(String[] arguments) throws Exception {
        commitAndAbort();
        fence();
        consumeTransformProduce();
        describe();
        System.out.println("commit, abort, fencing, offsets, description");
    }

    private static void commitAndAbort() throws Exception {
        String topic = Support.topic("outcomes", 3);
        List<String> expected = new ArrayList<>();
        try (var producer = Support.producer("transactional.id", Support.unique("outcomes"))) {
            producer.initTransactions();
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                for (int at = 0; at < 10; at++) producer.send(new ProducerRecord<>(topic, "k" + at, round + "-" + at));
                if (round % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    for (int at = 0; at < 10; at++) expected.add(round + "-" + at);
                    producer.commitTransaction();
                }
            }
        }
        List<String> found = new ArrayList<>(Support.readCommitted(topic).stream().map(ConsumerRecord::value).toList());
        Collections.sort(expected);
        Collections.sort(found);
        Support.same(expected, found, "what is committed");
    }

    private static void fence() throws Exception {
        String topic = Support.topic("fenced", 1), id = Support.unique("fenced");
        try (var old = Support.producer("transactional.id", id); var young = Support.producer("transactional.id", id)) {
            old.initTransactions();
            old.beginTransaction();
            old.send(new ProducerRecord<>(topic, "k", "of the old one")).get();
            young.initTransactions();
            Support.fails(ApiException.class, () -> {
                old.send(new ProducerRecord<>(topic, "k", "zombie")).get();
                old.commitTransaction();
                return null;
            });
            young.beginTransaction();
            young.send(new ProducerRecord<>(topic, "k", "of the young one"));
            young.commitTransaction();
        }
        Support.same(List.of("of the young one"), Support.readCommitted(topic).stream().map(ConsumerRecord::value).toList(), "what is left");
    }

    private static void consumeTransformProduce() throws Exception {
        String input = Support.topic("input", 2), output = Support.topic("output", 2), group = Support.unique("transformer");
        try (var producer = Support.producer()) {
            for (int at = 0; at < 500; at++) producer.send(new ProducerRecord<>(input, "k" + at, "v" + at));
        }
        Set<String> done = new HashSet<>();
        try (var consumer = Support.consumer("group.id", group, "isolation.level", "read_committed", "max.poll.records", "40");
            var producer = Support.producer("transactional.id", Support.unique("transformer"))) {
            producer.initTransactions();
            consumer.subscribe(List.of(input));
            int[] round = {0};
            Support.until("all is transformed", () -> done.size() == 500, () -> {
                var records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) return;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (var record : records) {
                    producer.send(new ProducerRecord<>(output, record.key(), record.value().toUpperCase()));
                    offsets.put(new TopicPartition(input, record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (round[0]++ % 4 == 1) {
                    producer.abortTransaction();
                    Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
                    consumer.assignment().forEach(at -> consumer.seek(at, committed.get(at) == null ? 0 : committed.get(at).offset()));
                } else {
                    producer.commitTransaction();
                    records.forEach(record -> done.add(record.value()));
                }
            });
        }
        List<String> found = Support.readCommitted(output).stream().map(ConsumerRecord::value).toList();
        Support.same(500, found.size(), "records in the output");
        Support.same(500, new HashSet<>(found).size(), "different records in the output");
    }

    private static void describe() throws Exception {
        String topic = Support.topic("described", 1), id = Support.unique("described");
        try (var producer = Support.producer("transactional.id", id); var admin = Support.admin()) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "k", "v")).get();
            var description = admin.describeTransactions(List.of(id)).description(id).get();
            Support.same("Ongoing", description.state().toString(), "state");
            Support.same(Set.of(new TopicPartition(topic, 0)), description.topicPartitions(), "partitions");
            var listed = admin.listTransactions().all().get().stream().filter(one -> one.transactionalId().equals(id)).toList();
            Support.same(1, listed.size(), "listed");
            var active = admin.describeProducers(List.of(new TopicPartition(topic, 0))).partitionResult(new TopicPartition(topic, 0)).get();
            Support.check(active.activeProducers().get(0).currentTransactionStartOffset().isPresent(), "the open transaction's first offset");
            producer.abortTransaction();
        }
    }
}

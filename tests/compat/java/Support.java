import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/** What the programs of this folder share: clients with short timeouts, topics, and checks that end the program when they fail. */
final class Support {
    static final String BOOTSTRAP = System.getenv("WEIR_TEST_BOOTSTRAP");
    static final Duration DEADLINE = Duration.ofSeconds(40);
    private static final String RUN = Long.toString(System.nanoTime(), 36);

    private Support() {}

    /** A name that no other run uses. */
    static String unique(String name) {
        return name + "-" + RUN;
    }

    static Properties properties(String... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", BOOTSTRAP);
        for (int at = 0; at < pairs.length; at += 2) properties.put(pairs[at], pairs[at + 1]);
        return properties;
    }

    static KafkaProducer<String, String> producer(String... pairs) {
        return new KafkaProducer<>(properties(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String... pairs) {
        Properties properties = properties("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        properties.putAll(properties(pairs));
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    static Admin admin() {
        return Admin.create(properties());
    }

    static String topic(String name, int partitions) throws Exception {
        String topic = unique(name);
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get(30, TimeUnit.SECONDS);
        }
        return topic;
    }

    /** Polls until this holds. */
    static void until(String what, BooleanSupplier holds, Runnable step) {
        long giveUp = System.nanoTime() + DEADLINE.toNanos();
        while (!holds.getAsBoolean()) {
            check(System.nanoTime() < giveUp, what + " did not happen within " + DEADLINE);
            step.run();
        }
    }

    /** Everything a read_committed reader finds in a topic, by partition and offset. */
    static List<ConsumerRecord<String, String>> readCommitted(String topic) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        try (var consumer = consumer("isolation.level", "read_committed")) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            until("reading " + topic + " to its end", () -> partitions.stream().allMatch(at -> consumer.position(at) >= ends.get(at)),
                () -> consumer.poll(Duration.ofMillis(200)).forEach(records::add));
        }
        return records;
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void same(Object expected, Object found, String what) {
        check(Objects.equals(expected, found), what + ": expected " + expected + ", found " + found);
    }

    /** The cause of a failed future must be of this kind. */
    static void fails(Class<? extends Throwable> kind, Callable<?> work) {
        try {
            work.call();
        } catch (Throwable error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) if (kind.isInstance(cause)) return;
            throw new AssertionError("expected " + kind.getSimpleName() + ", got " + error, error);
        }
        throw new AssertionError("expected " + kind.getSimpleName() + ", but it went well");
    }
}

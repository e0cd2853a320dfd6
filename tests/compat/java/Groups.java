import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Groups of both protocols: two members share the partitions, one goes, the other takes over; nothing is lost, commits hold. */
public final class Groups {
    public static void main(String[] arguments) throws Exception {
        for (String protocol : arguments[0].split(",")) {
            String[] settings = switch (protocol) {
                case "consumer" -> new String[] {"group.protocol", "consumer"};
                case "consumer-range" -> new String[] {"group.protocol", "consumer", "group.remote.assignor", "range"};
                default -> new String[] {"partition.assignment.strategy", assignor(protocol), "session.timeout.ms", "6000", "heartbeat.interval.ms", "300"};
            };
            share(protocol, settings);
            if (!protocol.startsWith("consumer")) comeBack(protocol, settings);
        }
        System.out.println("rebalanced with " + arguments[0]);
    }

    private static String assignor(String name) {
        return "org.apache.kafka.clients.consumer." + switch (name) {
            case "range" -> "RangeAssignor";
            case "roundrobin" -> "RoundRobinAssignor";
            case "sticky" -> "StickyAssignor";
            default -> "CooperativeStickyAssignor";
        };
    }

    private static KafkaConsumer<String, String> member(String group, String[] settings, String... more) {
        List<String> all = new ArrayList<>(List.of("group.id", group));
        all.addAll(List.of(settings));
        all.addAll(List.of(more));
        return Support.consumer(all.toArray(String[]::new));
    }

    private static void share(String protocol, String[] settings) throws Exception {
        String topic = Support.topic("shared-" + protocol, 6), group = Support.unique("group-" + protocol);
        Set<String> seen = new HashSet<>();
        write(topic, 0, 300);
        var first = member(group, settings);
        try (first) {
            first.subscribe(List.of(topic));
            Support.until(protocol + ": one member reads all", () -> seen.size() == 300, () -> read(first, seen));
            first.commitSync();
            var second = member(group, settings);
            try (second) {
                second.subscribe(List.of(topic));
                Support.until(protocol + ": two members share", () -> first.assignment().size() == 3 && second.assignment().size() == 3, () -> {
                    read(first, seen);
                    read(second, seen);
                });
                Set<TopicPartition> both = new HashSet<>(first.assignment());
                Support.check(both.addAll(second.assignment()) && both.size() == 6, protocol + ": each partition has one owner");
                write(topic, 300, 600);
                Support.until(protocol + ": both read", () -> seen.size() == 600, () -> {
                    read(first, seen);
                    read(second, seen);
                });
                second.commitSync();
            }
            first.commitSync();
            Support.until(protocol + ": the one that stays takes over", () -> first.assignment().size() == 6, () -> read(first, seen));
            write(topic, 600, 700);
            Support.until(protocol + ": it reads the rest", () -> seen.size() == 700, () -> read(first, seen));
            first.commitSync();
            long committed = first.committed(first.assignment()).values().stream().mapToLong(OffsetAndMetadata::offset).sum();
            Support.same(700L, committed, protocol + ": what is committed");
        }
    }

    /** A static member that comes back in time finds its partitions, and nobody is asked to rebalance. */
    private static void comeBack(String protocol, String[] settings) throws Exception {
        String topic = Support.topic("static-" + protocol, 2), group = Support.unique("static-" + protocol);
        AtomicBoolean revoked = new AtomicBoolean();
        Set<String> seen = new HashSet<>();
        var other = member(group, settings, "group.instance.id", "b");
        try (other) {
            other.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    if (!partitions.isEmpty()) revoked.set(true);
                }

                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
            });
            var one = member(group, settings, "group.instance.id", "a");
            one.subscribe(List.of(topic));
            Support.until(protocol + ": both are in", () -> one.assignment().size() == 1 && other.assignment().size() == 1, () -> {
                read(one, seen);
                read(other, seen);
            });
            var before = one.assignment();
            one.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP));
            revoked.set(false);
            var again = member(group, settings, "group.instance.id", "a");
            try (again) {
                again.subscribe(List.of(topic));
                Support.until(protocol + ": it is back", () -> again.assignment().equals(before), () -> {
                    read(again, seen);
                    read(other, seen);
                });
                Support.check(!revoked.get(), protocol + ": nobody else noticed");
            }
        }
    }

    private static void write(String topic, int from, int to) {
        try (var producer = Support.producer("linger.ms", "5")) {
            for (int at = from; at < to; at++) producer.send(new ProducerRecord<>(topic, at % 6 % 2 == 0 ? "k" + at : null, "v" + at));
        }
    }

    private static void read(Consumer<String, String> consumer, Set<String> seen) {
        for (var record : consumer.poll(Duration.ofMillis(100))) seen.add(record.value());
    }
}

import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/** Kafka Streams' word count with exactly_once_v2: repartition and changelog topics, transactions, a restart from the changelog alone. */
public final class WordCount {
    private static final String[] WORDS = {"weir", "water", "stone", "stream"};

    public static void main(String[] arguments) throws Exception {
        String input = Support.topic("lines", 2), output = Support.topic("counts", 2), application = Support.unique("wordcount");
        for (int life = 1; life <= 2; life++) {
            try (var producer = Support.producer()) {
                for (int at = 0; at < 1_000; at++) producer.send(new ProducerRecord<>(input, "k" + at, WORDS[at % 4] + " " + WORDS[at % 2]));
            }
            Path state = Files.createTempDirectory("weir-wordcount");
            try (KafkaStreams streams = start(application, input, output, state)) {
                long total = life * 2_000L;
                Map<String, Long> newest = new HashMap<>();
                Support.until("life " + life + ": all words are counted", () -> newest.values().stream().mapToLong(Long::longValue).sum() == total, () -> {
                    newest.clear();
                    Support.readCommitted(output).forEach(record -> newest.put(record.key(), Long.parseLong(record.value())));
                });
                Support.same(Map.of("weir", life * 750L, "water", life * 750L, "stone", life * 250L, "stream", life * 250L), newest, "counts");
            }
            try (var files = Files.walk(state)) {
                files.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
            }
        }
        System.out.println("exactly_once_v2, restored from its changelog");
    }

    private static KafkaStreams start(String application, String input, String output, Path state) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(input, Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> List.of(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(output, Produced.with(Serdes.String(), Serdes.String()));
        Properties properties = Support.properties("application.id", application, "processing.guarantee", "exactly_once_v2",
            "state.dir", state.toString(), "commit.interval.ms", "100", "auto.offset.reset", "earliest", "replication.factor", "1",
            "session.timeout.ms", "6000", "num.stream.threads", "2");
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.start();
        return streams;
    }
}

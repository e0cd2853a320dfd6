// franz-go against the broker at WEIR_TEST_BOOTSTRAP: codecs, a group that rebalances, transactions, admin.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap = os.Getenv("WEIR_TEST_BOOTSTRAP")
	run       = strconv.FormatInt(time.Now().UnixNano(), 36)
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	themes := []struct {
		name string
		test func(context.Context) error
	}{{"codecs", codecs}, {"group", group}, {"transactions", transactions}, {"admin", admin}}
	failed := false
	for _, theme := range themes {
		if err := theme.test(ctx); err != nil {
			fmt.Printf("FAILED: go %s: %v\n", theme.name, err)
			failed = true
		} else {
			fmt.Printf("ok: go %s\n", theme.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...)
}

func topic(ctx context.Context, name string, partitions int32) (string, error) {
	cl, err := client()
	if err != nil {
		return "", err
	}
	defer cl.Close()
	name += "-" + run
	_, err = kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, name)
	return name, err
}

func write(ctx context.Context, topic string, from, to int, options ...kgo.Opt) error {
	cl, err := client(options...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for at := from; at < to; at++ {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte("k" + strconv.Itoa(at)), Value: []byte("v" + strconv.Itoa(at))}, nil)
	}
	return cl.Flush(ctx)
}

// committed counts the values that a read_committed reader finds, until there are as many as wanted and none more comes for a moment.
func committed(ctx context.Context, topic string, wanted int) (map[string]int, error) {
	cl, err := client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	found, count := map[string]int{}, 0
	for {
		wait := 30 * time.Second
		if count >= wanted {
			wait = time.Second
		}
		polling, cancel := context.WithTimeout(ctx, wait)
		fetches := cl.PollFetches(polling)
		cancel()
		fetches.EachRecord(func(record *kgo.Record) { found[string(record.Value)]++; count++ })
		if fetches.NumRecords() == 0 {
			if count != wanted {
				return found, fmt.Errorf("%d records, expected %d", count, wanted)
			}
			return found, nil
		}
	}
}

func codecs(ctx context.Context) error {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t, err := topic(ctx, "go-codec-"+name, 2)
		if err == nil {
			err = write(ctx, t, 0, 500, kgo.ProducerBatchCompression(codec))
		}
		if err == nil {
			_, err = committed(ctx, t, 500)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func group(ctx context.Context) error {
	t, err := topic(ctx, "go-group", 4)
	if err != nil {
		return err
	}
	if err := write(ctx, t, 0, 400); err != nil {
		return err
	}
	member := func() (*kgo.Client, error) {
		return client(kgo.ConsumerGroup("go-group-"+run), kgo.ConsumeTopics(t), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	seen := map[string]bool{}
	read := func(cl *kgo.Client, wait time.Duration) int {
		polling, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		fetches := cl.PollFetches(polling)
		fetches.EachRecord(func(record *kgo.Record) { seen[string(record.Value)] = true })
		return fetches.NumRecords()
	}
	first, err := member()
	if err != nil {
		return err
	}
	defer first.Close()
	for len(seen) < 400 && ctx.Err() == nil {
		read(first, time.Second)
	}
	if err := first.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	second, err := member()
	if err != nil {
		return err
	}
	shared := 0
	for at := 400; shared == 0 && ctx.Err() == nil; at++ {
		if err := write(ctx, t, at, at+1); err != nil {
			return err
		}
		read(first, 200*time.Millisecond)
		shared += read(second, 200*time.Millisecond)
	}
	if err := second.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	second.Close()
	if shared == 0 {
		return errors.New("the second member got nothing")
	}
	return ctx.Err()
}

func transactions(ctx context.Context) error {
	t, err := topic(ctx, "go-transactions", 2)
	if err != nil {
		return err
	}
	cl, err := client(kgo.TransactionalID("go-"+run), kgo.DefaultProduceTopic(t))
	if err != nil {
		return err
	}
	defer cl.Close()
	for round := 0; round < 10; round++ {
		if err := cl.BeginTransaction(); err != nil {
			return err
		}
		for at := 0; at < 5; at++ {
			if err := cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprintf("%d-%d", round, at))).FirstErr(); err != nil {
				return err
			}
		}
		if err := cl.EndTransaction(ctx, round%2 == 0); err != nil {
			return err
		}
	}
	found, err := committed(ctx, t, 25)
	if err != nil {
		return err
	}
	if found["1-0"] != 0 || found["2-0"] != 1 {
		return fmt.Errorf("the wrong ones: %v", found)
	}
	return transform(ctx, t)
}

// transform moves records from one topic to another with GroupTransactSession, aborting now and then.
func transform(ctx context.Context, input string) error {
	output, err := topic(ctx, "go-output", 2)
	if err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("go-transform-"+run), kgo.ConsumeTopics(input),
		kgo.TransactionalID("go-transform-"+run), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets())
	if err != nil {
		return err
	}
	defer session.Close()
	for done, round := 0, 0; done < 25; round++ {
		polling, cancel := context.WithTimeout(ctx, 5*time.Second)
		fetches := session.PollFetches(polling)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) { session.Produce(ctx, &kgo.Record{Topic: output, Value: record.Value}, nil) })
		isCommitted, err := session.End(ctx, kgo.TransactionEndTry(round != 0))
		if err != nil {
			return err
		}
		if isCommitted {
			done += fetches.NumRecords()
		}
	}
	_, err = committed(ctx, output, 25)
	return err
}

func admin(ctx context.Context) error {
	t, err := topic(ctx, "go-admin", 1)
	if err != nil {
		return err
	}
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, t); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("created twice: %v", err)
	}
	if err := write(ctx, t, 0, 50); err != nil {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, t)
	if end, ok := ends.Lookup(t, 0); err != nil || !ok || end.Offset != 50 {
		return fmt.Errorf("end offsets: %v %v", ends, err)
	}
	if _, err := adm.UpdatePartitions(ctx, 3, t); err != nil {
		return err
	}
	details, err := adm.ListTopics(ctx, t)
	if err != nil || len(details[t].Partitions) != 3 {
		return fmt.Errorf("partitions: %v %v", details, err)
	}
	value := "60000"
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, t); err != nil {
		return err
	}
	configs, err := adm.DescribeTopicConfigs(ctx, t)
	if err != nil {
		return err
	}
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" && config.MaybeValue() != value {
			return fmt.Errorf("retention.ms is %s", config.MaybeValue())
		}
	}
	if groups, err := adm.ListGroups(ctx); err != nil || len(groups) == 0 {
		return fmt.Errorf("groups: %v %v", groups, err)
	}
	deleted, err := adm.DeleteTopics(ctx, t)
	if err != nil {
		return err
	}
	return deleted.Error()
}

package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

// everyTier stores an answer in one replica and finds it in another, exactly and
// by meaning, then invalidates it.
func everyTier(t *testing.T, redisConfig *config.Redis) {
	t.Helper()
	cfg := semanticConfig(func(c *config.Cache) { c.Redis = redisConfig })
	one, two := open(t, cfg), open(t, cfg)
	v := []float32{1, 2, 3, 4}
	question := func(i int) Request { return Request{Question: fmt.Sprintf("How do I reset the red%d one?", i)} }
	for i := range 20 { // in a cluster, on all nodes
		eventually(t, "the answer in Redis", func() bool {
			one.Store(one.Key(question(i)), v, entry("so"))
			_, ok := two.Redis(t.Context(), two.Key(question(i)))
			return ok
		})
	}
	similar := Request{Question: "how can I reset the red3 one"}
	eventually(t, "the answer by meaning", func() bool { _, ok := two.Semantic(t.Context(), two.Key(similar), v, 0); return ok })
	report, err := one.Invalidate(t.Context(), Selector{Prefix: "How do I reset"}, false)
	if err != nil || report.Redis != 20 {
		t.Errorf("Invalidate: got %+v, %v, want 20 answers", report, err)
	}
	eventually(t, "the answers to be gone", func() bool {
		_, local := two.Local(two.Key(question(0)))
		_, exact := two.Redis(t.Context(), two.Key(question(0)))
		_, meaning := two.Semantic(t.Context(), two.Key(similar), v, 0)
		return !local && !exact && !meaning
	})
}

func TestCluster(t *testing.T) {
	var addresses []string
	for _, node := range testredis.StartCluster(t) {
		addresses = append(addresses, node.Addr)
	}
	everyTier(t, &config.Redis{Mode: config.RedisCluster, Addresses: addresses[:1], PoolSize: 5})
}

func TestSentinelFollowsAFailover(t *testing.T) {
	primary := testredis.Start(t)
	replica := testredis.StartReplica(t, primary)
	sentinel := testredis.StartSentinel(t, "rag", primary)
	cfg := config.Redis{Mode: config.RedisSentinel, Addresses: []string{sentinel.Addr}, SentinelPrimary: "rag", PoolSize: 5}
	everyTier(t, &cfg)

	asked := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	defer asked.Close()
	eventually(t, "the sentinel to know the replica", func() bool { return len(asked.Replicas(t.Context(), "rag").Val()) == 1 })
	c := open(t, testConfig(func(c *config.Cache) { c.Redis = &cfg }))
	primary.Kill()
	other := connect(t, replica)
	eventually(t, "an answer in what was the replica", func() bool {
		k := c.Key(Request{Question: "after the failover"})
		c.Store(k, nil, entry("{}"))
		return other.Exists(t.Context(), k.redisKey("epoch-1")).Val() == 1
	})
}

func TestTLSWithPassword(t *testing.T) {
	server, ca := testredis.StartTLS(t, "--requirepass", "first", "--user", "rag", "on", ">first", "~*", "+@all")
	password := filepath.Join(t.TempDir(), "password")
	writeFile(t, password, "first\n")
	everyTier(t, &config.Redis{
		Mode: config.RedisStandalone, Addresses: []string{server.Addr}, PoolSize: 5,
		Username: "rag", PasswordFile: password, TLS: &config.RedisTLS{CAFile: ca, ServerName: "localhost"},
	})
	for name, tls := range map[string]*config.RedisTLS{
		"not the server's name": {CAFile: ca, ServerName: "elsewhere"},
		"an unknown authority":  {},
	} {
		c := open(t, testConfig(func(c *config.Cache) {
			c.Redis = &config.Redis{
				Mode: config.RedisStandalone, Addresses: []string{server.Addr}, PoolSize: 5,
				Username: "rag", PasswordFile: password, TLS: tls,
			}
		}))
		eventually(t, "the breaker to open for "+name, func() bool { return !c.Available() })
		if err := c.Conn().LastError(); err == nil || !strings.Contains(err.Error(), "x509") {
			t.Errorf("%s: got %v, want why the certificate is refused", name, err)
		}
	}
}

func TestPasswordRotation(t *testing.T) {
	server := testredis.Start(t, "--requirepass", "first")
	password := filepath.Join(t.TempDir(), "password")
	writeFile(t, password, "wrong")
	c := open(t, testConfig(func(c *config.Cache) {
		c.Redis = withRedis(server)
		c.Redis.PasswordFile = password
	}))
	works := func() bool {
		k := c.Key(Request{Question: "q"})
		c.Store(k, nil, entry("{}"))
		_, ok := c.Redis(t.Context(), k)
		return ok
	}
	eventually(t, "the breaker to open for a wrong password", func() bool { return !c.Available() })
	if err := c.Conn().LastError(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wrong\"") {
		t.Errorf("got %v, want WRONGPASS and not the password", err)
	}
	writeFile(t, password, "first")
	eventually(t, "the right password to be taken up", works)

	admin := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "first"})
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "requirepass", "second").Err(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, password, "second")
	if err := admin.Do(t.Context(), "CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rotated password to be taken up", works)
}

func TestRedisSetUpErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, bad, "no certificate")
	tests := []struct {
		name  string
		redis config.Redis
		want  string
	}{
		{name: "no password file", redis: config.Redis{PasswordFile: "/nowhere"}, want: "the password of Redis: open /nowhere"},
		{name: "empty password", redis: config.Redis{PasswordFile: os.DevNull}, want: "the password of Redis: /dev/null: is empty"},
		{name: "no authority", redis: config.Redis{TLS: &config.RedisTLS{CAFile: bad}}, want: "holds no PEM certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.redis.Addresses, test.redis.PoolSize = []string{"127.0.0.1:1"}, 1
			start := time.Now()
			_, err := New(testConfig(func(c *config.Cache) { c.Redis = &test.redis }), "e")
			if err == nil || !strings.Contains(err.Error(), test.want) || time.Since(start) > time.Second {
				t.Errorf("got %v, want %q at once", err, test.want)
			}
		})
	}
}

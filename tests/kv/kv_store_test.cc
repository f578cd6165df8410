#include "kv/kv_store.h"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

namespace quarry {
namespace {

constexpr KvPlane kPlanes[] = {KvPlane::kRawKeys, KvPlane::kRotatedKeys, KvPlane::kValues};

KvLayout Layout(const std::array<PlaneRule, kKvPlanes>& rules, int layers = 2, int heads = 3) {
  return {layers, heads, {64, 64, 128}, rules};
}
const std::array<PlaneRule, kKvPlanes> kAll = {PlaneRule::All(), PlaneRule::All(),
                                               PlaneRule::All()};

bool Stored(const KvStore& kv, KvPlane plane) {
  return kv.layout().rules[static_cast<size_t>(plane)].stored;
}

// Tokens in one byte each: what a token holds depends on where it is and on `text`.
std::byte Content(int text, int layer, KvPlane plane, int head, TokenPos t) {
  return static_cast<std::byte>(1 + (text * 101 + layer * 37 + static_cast<int>(plane) * 17 +
                                     head * 7 + static_cast<int>(t)) %
                                        250);
}

void Append(KvStore& kv, int64_t n, int text = 0) {
  ASSERT_TRUE(kv.Reserve(n).ok());
  for (int layer = 0; layer < kv.layout().layers; ++layer) {
    for (KvPlane plane : kPlanes) {
      if (!Stored(kv, plane)) continue;
      for (int head = 0; head < kv.layout().heads; ++head) {
        for (TokenPos t = kv.size(); t < kv.size() + n; ++t) {
          kv.mutable_panel(layer, plane, head, t / 16)[t % 16] =
              Content(text, layer, plane, head, t);
        }
      }
    }
  }
  kv.Advance(n);
}

void ExpectTokens(const KvStore& kv, KvPlane plane, TokenPos begin, TokenPos end, int text = 0) {
  for (int layer = 0; layer < kv.layout().layers; ++layer) {
    for (int head = 0; head < kv.layout().heads; ++head) {
      for (TokenPos t = begin; t < end; ++t) {
        ASSERT_EQ(kv.panel(layer, plane, head, t / 16)[t % 16],
                  Content(text, layer, plane, head, t))
            << "plane " << static_cast<int>(plane) << " token " << t;
      }
    }
  }
}

TEST(KvStore, StartsEmpty) {
  const KvStore kv(Layout(kAll));
  EXPECT_EQ(kv.size(), 0);
  EXPECT_EQ(kv.size_bytes(), 0u);
}

TEST(KvStore, HoldsWhatIsWritten) {
  KvStore kv(Layout(kAll));
  for (int64_t n : {1, 100, 27, 128, 1, 300}) Append(kv, n);
  EXPECT_EQ(kv.size(), 557);
  for (KvPlane plane : kPlanes) ExpectTokens(kv, plane, 0, 557);
  // 5 blocks of 8 panels for 2 layers and 3 heads.
  EXPECT_EQ(kv.size_bytes(), 5u * 8u * 2u * 3u * (64u + 64u + 128u));
}

TEST(KvStore, APlaneThatIsNotStoredCostsNothing) {
  KvStore kv(Layout({PlaneRule::None(), PlaneRule::All(), PlaneRule::None()}));
  Append(kv, 200);
  ExpectTokens(kv, KvPlane::kRotatedKeys, 0, 200);
  EXPECT_EQ(kv.size_bytes(), 2u * 8u * 2u * 3u * 64u);
}

TEST(KvStore, OneHeadsBlockIsOneRead) {
  KvStore kv(Layout(kAll));
  Append(kv, 256);
  for (int64_t panel = 0; panel < 16; ++panel) {
    const std::byte* p = kv.panel(1, KvPlane::kValues, 2, panel);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    if (panel % 8 != 0) {
      EXPECT_EQ(p, kv.panel(1, KvPlane::kValues, 2, panel - 1) + 128);
    }
  }
}

TEST(KvStore, UnwrittenTokensAreZero) {
  KvStore kv(Layout(kAll));
  Append(kv, 5);
  for (TokenPos t = 5; t < 128; ++t) {
    EXPECT_EQ(kv.panel(0, KvPlane::kValues, 0, t / 16)[t % 16], std::byte{0});
  }
}

TEST(KvStore, ReservingTwiceIsReservingTheLarger) {
  KvStore kv(Layout(kAll, 1, 1));
  ASSERT_TRUE(kv.Reserve(300).ok());
  const size_t bytes = kv.size_bytes();
  ASSERT_TRUE(kv.Reserve(10).ok());
  EXPECT_EQ(kv.size_bytes(), bytes);
  kv.Advance(300);
  EXPECT_EQ(kv.size(), 300);
}

// The values' pool cannot get a block; the keys' blocks must not stay behind.
TEST(KvStore, AFailedReserveChangesNothing) {
  KvLayout layout = Layout(kAll, 1, 1);
  layout.panel_bytes[2] = size_t{1} << 46;
  KvStore kv(layout);
  const Status s = kv.Reserve(1);
  EXPECT_EQ(s.code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(kv.size_bytes(), 0u);
  EXPECT_EQ(kv.size(), 0);
}

// Trim: sinks and a window.
struct TrimRow {
  const char* name;
  PlaneRule rule;
  TokenPos size;
  int64_t blocks;  // that stay
};

constexpr int64_t kEvery = PlaneRule::kAll;
const TrimRow kTrims[] = {
    {"everything", PlaneRule{true, 0, kEvery}, 1000, 8},
    {"window, text shorter", PlaneRule{true, 0, 200}, 200, 2},
    {"window, first block just leaves", PlaneRule{true, 0, 200}, 328, 2},
    {"window, first block's last token stays", PlaneRule{true, 0, 200}, 327, 3},
    {"window on a block border", PlaneRule{true, 0, 256}, 1024, 2},
    {"window one token over a border", PlaneRule{true, 0, 257}, 1024, 3},
    {"partial last block", PlaneRule{true, 0, 128}, 1000, 2},
    {"sinks and window", PlaneRule{true, 4, 128}, 1024, 2},
    {"sinks of a block and one", PlaneRule{true, 129, 128}, 1024, 3},
    {"sinks and window meet", PlaneRule{true, 128, 896}, 1024, 8},
    {"sinks alone", PlaneRule{true, 130, 0}, 1024, 2},
    {"nothing but the block being written", PlaneRule{true, 0, 0}, 1000, 1},
};

TEST(KvStore, TrimTable) {
  for (const TrimRow& row : kTrims) {
    SCOPED_TRACE(row.name);
    KvStore kv(Layout({PlaneRule::All(), PlaneRule::None(), row.rule}, 1, 2));
    Append(kv, row.size);
    kv.Trim();
    const size_t all = static_cast<size_t>((row.size + 127) / 128) * 2u * 8u * 64u;
    EXPECT_EQ((kv.size_bytes() - all) / (2u * 8u * 128u), static_cast<size_t>(row.blocks));
    for (TokenPos t = 0; t < row.size; ++t) {
      if (row.rule.Keeps(t, row.size)) ExpectTokens(kv, KvPlane::kValues, t, t + 1);
    }
    ExpectTokens(kv, KvPlane::kRawKeys, 0, row.size);
    const size_t bytes = kv.size_bytes();
    kv.Trim();
    EXPECT_EQ(kv.size_bytes(), bytes) << "trimmed twice";
  }
}

TEST(KvStore, AWindowStaysSmall) {
  const PlaneRule window = {true, 100, 300};
  KvStore kv(Layout({PlaneRule::None(), window, window}, 1, 1));
  size_t most = 0;
  for (int i = 0; i < 400; ++i) {
    Append(kv, 1 + i % 97);
    kv.Trim();
    most = std::max(most, kv.size_bytes());
  }
  EXPECT_GT(kv.size(), 18000);
  // A block of sinks; 300 tokens and the block being written touch at most four.
  EXPECT_LE(most, 5u * 8u * (64u + 128u));
}

TEST(KvStore, TruncateAndWriteAgain) {
  KvStore kv(Layout(kAll));
  Append(kv, 400);
  kv.Truncate(150);
  EXPECT_EQ(kv.size(), 150);
  EXPECT_EQ(kv.size_bytes(), 2u * 8u * 2u * 3u * 256u);
  Append(kv, 200, 1);
  for (KvPlane plane : kPlanes) {
    ExpectTokens(kv, plane, 0, 150, 0);
    ExpectTokens(kv, plane, 150, 350, 1);
  }
}

struct MissingRow {
  const char* name;
  TokenPos n;
  TokenRange missing;
};

// 1024 tokens of which 4 and the last 200 are kept: block 0 and, from token 768 on, two blocks.
const MissingRow kMissing[] = {
    {"nothing is cut", 1024, {}},
    {"window still whole", 968, {}},
    {"one token short", 967, {767, 768}},
    {"all of the window", 500, {300, 500}},
    {"window reaches the sinks' block", 300, {128, 300}},
    {"within the sinks' block", 100, {}},
    {"everything", 0, {}},
};

TEST(KvStore, MissingTable) {
  for (const MissingRow& row : kMissing) {
    SCOPED_TRACE(row.name);
    KvStore kv(Layout({PlaneRule::None(), PlaneRule::All(), PlaneRule{true, 4, 200}}, 1, 1));
    Append(kv, 1024);
    kv.Trim();
    EXPECT_EQ(kv.MissingAfterTruncate(KvPlane::kValues, row.n), row.missing);
    EXPECT_TRUE(kv.MissingAfterTruncate(KvPlane::kRotatedKeys, row.n).empty());
    EXPECT_TRUE(kv.MissingAfterTruncate(KvPlane::kRawKeys, row.n).empty()) << "not stored";
  }
}

TEST(KvStore, RefillMakesZeroedBlocksWritable) {
  KvStore kv(Layout({PlaneRule::None(), PlaneRule::All(), PlaneRule{true, 0, 200}}, 1, 2));
  Append(kv, 1024);
  kv.Trim();
  const TokenRange missing = kv.MissingAfterTruncate(KvPlane::kValues, 500);
  ASSERT_EQ(missing, (TokenRange{300, 500}));
  ASSERT_TRUE(kv.Refill(KvPlane::kValues, missing).ok());
  for (int head = 0; head < 2; ++head) {
    for (TokenPos t = 300; t < 500; ++t) {
      EXPECT_EQ(kv.panel(0, KvPlane::kValues, head, t / 16)[t % 16], std::byte{0});
      kv.mutable_panel(0, KvPlane::kValues, head, t / 16)[t % 16] =
          Content(0, 0, KvPlane::kValues, head, t);
    }
  }
  kv.Truncate(500);
  ExpectTokens(kv, KvPlane::kValues, 300, 500);
  // Going on, the refilled blocks are given back in their turn.
  Append(kv, 524);
  kv.Trim();
  ExpectTokens(kv, KvPlane::kValues, 824, 1024);
  EXPECT_EQ(kv.size_bytes(), 2u * 8u * (8u * 64u + 2u * 128u));
}

TEST(KvStore, ForkSharesAndCopiesOneBlockOnWrite) {
  KvStore a(Layout(kAll, 1, 1));
  Append(a, 300);
  KvStore b = a.Fork();
  EXPECT_EQ(b.size(), 300);
  EXPECT_EQ(a.panel(0, KvPlane::kValues, 0, 0), b.panel(0, KvPlane::kValues, 0, 0));
  Append(b, 50, 1);
  EXPECT_EQ(a.panel(0, KvPlane::kValues, 0, 15), b.panel(0, KvPlane::kValues, 0, 15));
  EXPECT_NE(a.panel(0, KvPlane::kValues, 0, 16), b.panel(0, KvPlane::kValues, 0, 16));
  Append(a, 100, 2);
  for (KvPlane plane : kPlanes) {
    ExpectTokens(a, plane, 0, 300);
    ExpectTokens(b, plane, 0, 300);
    ExpectTokens(a, plane, 300, 400, 2);
    ExpectTokens(b, plane, 300, 350, 1);
  }
}

TEST(KvStore, AForkOutlivesItsOrigin) {
  auto a = std::make_unique<KvStore>(Layout(kAll, 1, 1));
  Append(*a, 200);
  KvStore b = a->Fork();
  a.reset();
  ExpectTokens(b, KvPlane::kValues, 0, 200);
  Append(b, 10);
  ExpectTokens(b, KvPlane::kValues, 0, 210);
}

}  // namespace
}  // namespace quarry

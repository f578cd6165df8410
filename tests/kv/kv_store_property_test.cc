// Stores that are appended to, cut, trimmed and forked at random hold what a plain list of tokens
// holds, and no more memory than their rules allow.

#include <algorithm>
#include <list>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "kv/kv_store.h"

namespace quarry {
namespace {

constexpr int kLayers = 2, kHeads = 2;

// The store and what it should hold: one number per token, written everywhere in a form of its own.
struct Sequence {
  KvStore kv;
  std::vector<int> text;
};

std::byte Content(int token, int layer, int plane, int head) {
  return static_cast<std::byte>(1 + (token + layer * 37 + plane * 17 + head * 7) % 250);
}

template <typename F>
void ForEachRow(const KvStore& kv, F f) {
  for (int plane = 0; plane < kKvPlanes; ++plane) {
    const PlaneRule& rule = kv.layout().rules[static_cast<size_t>(plane)];
    if (!rule.stored) continue;
    for (int layer = 0; layer < kLayers; ++layer) {
      for (int head = 0; head < kHeads; ++head) f(layer, plane, head, rule);
    }
  }
}

void Append(Sequence& s, Rng& rng) {
  const auto n = static_cast<int64_t>(rng.Below(rng.Below(3) == 0 ? 300 : 20));
  ASSERT_TRUE(s.kv.Reserve(n + static_cast<int64_t>(rng.Below(5))).ok());
  const TokenPos first = s.kv.size();
  for (int64_t i = 0; i < n; ++i) s.text.push_back(static_cast<int>(rng.Below(1000)));
  ForEachRow(s.kv, [&](int layer, int plane, int head, const PlaneRule&) {
    for (TokenPos t = first; t < first + n; ++t) {
      s.kv.mutable_panel(layer, static_cast<KvPlane>(plane), head, t / 16)[t % 16] =
          Content(s.text[static_cast<size_t>(t)], layer, plane, head);
    }
  });
  s.kv.Advance(n);
}

// To a random length, or to 0 if something would be missing there.
void Truncate(Sequence& s, Rng& rng) {
  auto n = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(s.kv.size()) + 1));
  if (rng.Below(2) == 0)
    n = std::max<TokenPos>(0, s.kv.size() - static_cast<TokenPos>(rng.Below(40)));
  for (KvPlane plane : {KvPlane::kRawKeys, KvPlane::kRotatedKeys, KvPlane::kValues}) {
    if (!s.kv.MissingAfterTruncate(plane, n).empty()) n = 0;
  }
  s.kv.Truncate(n);
  s.text.resize(static_cast<size_t>(n));
}

void Expect(const Sequence& s) {
  ASSERT_EQ(s.kv.size(), static_cast<TokenPos>(s.text.size()));
  ForEachRow(s.kv, [&](int layer, int plane, int head, const PlaneRule& rule) {
    for (TokenPos t = 0; t < s.kv.size(); ++t) {
      if (!rule.Keeps(t, s.kv.size())) continue;
      ASSERT_EQ(s.kv.panel(layer, static_cast<KvPlane>(plane), head, t / 16)[t % 16],
                Content(s.text[static_cast<size_t>(t)], layer, plane, head))
          << "plane " << plane << " token " << t << " of " << s.kv.size();
    }
  });
}

// Blocks of a trimmed store of n tokens: those of the sinks, of the window and its ragged ends, of
// up to 4 tokens reserved, and one that a cut into a given-back range may leave.
size_t MostBytes(const KvStore& kv) {
  size_t bytes = 0;
  ForEachRow(kv, [&](int, int plane, int, const PlaneRule& rule) {
    const int64_t n = (kv.size() + 4) / kTokensPerBlock + 1;
    const int64_t kept = rule.keep_last == PlaneRule::kAll
                             ? n
                             : (rule.keep_first + 127) / 128 + (rule.keep_last + 4) / 128 + 4;
    bytes += static_cast<size_t>(std::min(n, kept)) * 8u *
             kv.layout().panel_bytes[static_cast<size_t>(plane)];
  });
  return bytes;
}

PlaneRule RandomRule(Rng& rng) {
  switch (rng.Below(4)) {
    case 0:
      return PlaneRule::None();
    case 1:
      return PlaneRule::All();
    default:
      return {true, static_cast<int64_t>(rng.Below(200)), static_cast<int64_t>(rng.Below(400))};
  }
}

TEST(KvStoreProperty, HoldsWhatAListHolds) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const KvLayout layout = {
        kLayers, kHeads, {64, 64, 128}, {RandomRule(rng), RandomRule(rng), RandomRule(rng)}};
    std::list<Sequence> sequences;
    sequences.push_back({KvStore(layout), {}});
    for (int step = 0; step < 60; ++step) {
      auto it = sequences.begin();
      std::advance(it, static_cast<int64_t>(rng.Below(sequences.size())));
      switch (rng.Below(8)) {
        case 0:
          Truncate(*it, rng);
          break;
        case 1:
          if (sequences.size() < 4) {
            sequences.push_back({it->kv.Fork(), it->text});
          } else {
            sequences.erase(it);
          }
          break;
        case 2:
        case 3:
          it->kv.Trim();
          ASSERT_LE(it->kv.size_bytes(), MostBytes(it->kv));
          break;
        default:
          Append(*it, rng);
      }
      if (HasFatalFailure()) return;
    }
    for (const Sequence& s : sequences) {
      Expect(s);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quarry

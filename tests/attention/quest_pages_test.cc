// Summaries of pages: the extremes of the keys as stored, exactly or as int8 bounds, however the
// tokens arrive.

#include "attention/methods/quest_pages.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "attention/kv_rows.h"
#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

constexpr int64_t kPageSizes[] = {1, 3, 7, 8, 16, 31, 32, 128};

// A store with the rotated keys of a random text. Seeds from 8 to 15 mean int8 bounds.
struct Keys {
  Keys(uint64_t seed, int tokens)
      : rng(seed),
        dtype(static_cast<DType>(seed % 4)),
        bounds(seed / 8 % 2 == 1 ? PageBoundsType::kInt8 : PageBoundsType::kKeys) {
    shape = RandomShape(rng);
    layer = std::make_unique<OneLayer>(DenseConfig{}, shape, dtype);
    const LayerInputs in = RandomInputs(rng, shape, tokens);
    Feed(*layer, in, std::vector<int>{tokens});
  }
  QuestPages Empty(int64_t page_size) const {
    return QuestPages(shape, {dtype, bounds}, page_size);
  }
  void Extend(QuestPages& pages, TokenPos end) {
    pages.Extend(layer->kv(), 0, end, layer->context());
  }
  // Of every channel of a page's keys.
  std::vector<QuestPages::Range> Extremes(const QuestPages& pages, int head, int64_t page) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    std::vector<QuestPages::Range> all(static_cast<size_t>(shape.head_dim),
                                       {kInfinity, -kInfinity});
    const TokenPos end = std::min(pages.tokens(), (page + 1) * pages.page_size());
    std::vector<float> key(all.size());
    for (TokenPos t = page * pages.page_size(); t < end; ++t) {
      ReadKey(layer->kv(), 0, KvPlane::kRotatedKeys, head, t, dtype, shape.head_dim, key.data());
      for (size_t d = 0; d < key.size(); ++d) {
        all[d].low = std::min(all[d].low, key[d]);
        all[d].high = std::max(all[d].high, key[d]);
      }
    }
    return all;
  }
  // How far a bound may lie outside: nowhere if it has the type of the keys, by a bf16 rounding of
  // int8 keys, by a step of int8 bounds.
  float Room(float x, const std::vector<float>& block) const {
    if (bounds == PageBoundsType::kKeys) return dtype == DType::kI8 ? 0x1p-7f * std::abs(x) : 0;
    float largest = 0;
    for (float y : block) largest = std::max(largest, std::abs(y));
    return largest / 127 * (1 + 0x1p-6f);
  }
  void ExpectBounds(const QuestPages& pages) {
    for (int64_t p = 0; p < pages.pages(); ++p) {
      for (int h = 0; h < shape.kv_heads; ++h) {
        const auto want = Extremes(pages, h, p);
        for (int d = 0; d < shape.head_dim; d += 3) {
          SCOPED_TRACE(fmt::format("page {} head {} channel {}", p, h, d));
          std::vector<float> lows, highs;
          const int block = d / kernels::kScaleBlock * kernels::kScaleBlock;
          for (int i = block; i < std::min(shape.head_dim, block + kernels::kScaleBlock); ++i) {
            lows.push_back(want[static_cast<size_t>(i)].low);
            highs.push_back(want[static_cast<size_t>(i)].high);
          }
          const auto [low, high] = want[static_cast<size_t>(d)];
          const QuestPages::Range got = pages.At(h, p, d);
          ASSERT_LE(got.low, low);
          ASSERT_GE(got.high, high);
          ASSERT_GE(got.low, low - Room(low, lows));
          ASSERT_LE(got.high, high + Room(high, highs));
        }
      }
    }
  }

  Rng rng;
  DType dtype;
  PageBoundsType bounds;
  ModelShape shape;
  std::unique_ptr<OneLayer> layer;
};

void ExpectEqual(const QuestPages& a, const QuestPages& b, const ModelShape& shape) {
  ASSERT_EQ(a.tokens(), b.tokens());
  for (int64_t p = 0; p < a.pages(); ++p) {
    for (int h = 0; h < shape.kv_heads; ++h) {
      for (int d = 0; d < shape.head_dim; ++d) {
        ASSERT_EQ(a.At(h, p, d).low, b.At(h, p, d).low) << "page " << p;
        ASSERT_EQ(a.At(h, p, d).high, b.At(h, p, d).high) << "page " << p;
      }
    }
  }
}

TEST(QuestPages, ExtremesOfEveryPage) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Keys keys(seed, 203);
    for (int64_t page_size : kPageSizes) {
      SCOPED_TRACE(fmt::format("seed {}, page size {}", seed, page_size));
      QuestPages pages = keys.Empty(page_size);
      keys.Extend(pages, 203);
      EXPECT_EQ(pages.pages(), (203 + page_size - 1) / page_size);
      keys.ExpectBounds(pages);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QuestPages, AnySplitGivesTheSame) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Keys keys(seed, 500);
    for (int64_t page_size : kPageSizes) {
      SCOPED_TRACE(fmt::format("seed {}, page size {}", seed, page_size));
      QuestPages whole = keys.Empty(page_size), split = keys.Empty(page_size);
      keys.Extend(whole, 500);
      TokenPos t = 0;
      for (int n : RandomCalls(keys.rng, 500, 70)) {
        keys.Extend(split, t += n);
        EXPECT_EQ(split.pages(), split.PagesOf(t));
      }
      ExpectEqual(split, whole, keys.shape);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QuestPages, TruncateAndGoOn) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Keys keys(seed, 400);
    for (int64_t page_size : kPageSizes) {
      SCOPED_TRACE(fmt::format("seed {}, page size {}", seed, page_size));
      QuestPages fresh = keys.Empty(page_size), pages = keys.Empty(page_size);
      keys.Extend(fresh, 400);
      keys.Extend(pages, 400);
      for (int i = 0; i < 5; ++i) {
        const auto n = static_cast<TokenPos>(keys.rng.Below(401));
        pages.Truncate(n);
        EXPECT_EQ(pages.tokens(), n == 400 ? n : n / page_size * page_size);
        keys.Extend(pages, 400);
        ExpectEqual(pages, fresh, keys.shape);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Two stores with a common beginning; a copy that goes on with the other's keys leaves the
// original's panels alone.
TEST(QuestPages, CopiesGoTheirOwnWays) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Keys keys(seed, 300), other(seed + 4, 300);  // the same type, other keys
    if (other.shape.kv_heads != keys.shape.kv_heads ||
        other.shape.head_dim != keys.shape.head_dim) {
      other.shape = keys.shape;
      other.layer = std::make_unique<OneLayer>(DenseConfig{}, keys.shape, keys.dtype);
      Feed(*other.layer, RandomInputs(other.rng, keys.shape, 300), std::vector<int>{300});
    }
    for (int64_t page_size : {3, 16}) {
      QuestPages pages = keys.Empty(page_size), fresh = keys.Empty(page_size);
      keys.Extend(pages, 150);
      keys.Extend(fresh, 300);
      QuestPages copy = pages;
      EXPECT_EQ(copy.size_bytes(), pages.size_bytes());
      copy.Truncate(100);
      other.Extend(copy, 300);
      keys.Extend(pages, 300);
      ExpectEqual(pages, fresh, keys.shape);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(QuestPages, CountsWhatScoringReads) {
  const ModelShape shape = {1, 8, 2, 64};
  const QuestPages pages(shape, {DType::kF16}, 16);
  // Two vectors of 64 halves for each of 2 KV heads.
  EXPECT_EQ(pages.BytesOf(10), 10 * 2 * 2 * 64 * 2);
  // Bytes, and two scales of two bytes.
  const QuestPages small(shape, {DType::kF16, PageBoundsType::kInt8}, 16);
  EXPECT_EQ(small.BytesOf(10), 10 * 2 * 2 * (64 + 2 * 2));
}

}  // namespace
}  // namespace quarry

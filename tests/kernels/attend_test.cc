// The attention kernel of every instruction set against float64, and against exact small cases.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"
#include "kernels/dispatch.h"
#include "tests/support/random.h"

namespace quarry::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Keys and values of one KV head, packed by the kernel set under test, and as the numbers that the
// panels really hold (rounded to the panel's type).
struct Cache {
  Cache(const KernelTable& kernels, DType type, int tokens, int dim, Rng& rng)
      : dtype(type), head_dim(dim), n(tokens) {
    k = RandomFloats(rng, static_cast<size_t>(n * dim));
    v = RandomFloats(rng, static_cast<size_t>(n * dim));
    const int n_panels = (n + kPanelTokens - 1) / kPanelTokens;
    const size_t kb = KeyPanelBytes(type, dim), vb = ValuePanelBytes(type, dim);
    keys = AlignedBuffer(kb * static_cast<size_t>(n_panels));
    values = AlignedBuffer(vb * static_cast<size_t>(n_panels));
    // Unwritten key lanes may hold anything; unwritten value lanes are zero by contract.
    std::fill_n(reinterpret_cast<uint8_t*>(keys.data()), keys.size(), uint8_t{0xff});
    std::fill_n(values.data(), values.size(), std::byte{0});
    for (int p = 0; p < n_panels; ++p) {
      const int count = std::min(kPanelTokens, n - p * kPanelTokens);
      std::byte* kp = keys.data() + kb * static_cast<size_t>(p);
      std::byte* vp = values.data() + vb * static_cast<size_t>(p);
      // In two pieces, to meet odd lanes.
      const int cut = std::min(count, 5);
      const float* kr = k.data() + static_cast<size_t>(p) * kPanelTokens * static_cast<size_t>(dim);
      const float* vr = v.data() + static_cast<size_t>(p) * kPanelTokens * static_cast<size_t>(dim);
      kernels.pack_keys(type, kr, dim, cut, dim, 0, kp);
      kernels.pack_keys(type, kr + cut * dim, dim, count - cut, dim, cut, kp);
      kernels.pack_values(type, vr, dim, cut, dim, 0, vp);
      kernels.pack_values(type, vr + cut * dim, dim, count - cut, dim, cut, vp);
      const auto lanes = static_cast<uint32_t>((1u << count) - 1);
      panels.push_back({kp, vp, p * kPanelTokens, lanes});
    }
    for (int t = 0; t < n; ++t) {
      const KeyPanel& p = panels[static_cast<size_t>(t / kPanelTokens)];
      for (int i = 0; i < dim; ++i) {
        const auto at = static_cast<size_t>(t * dim + i);
        k[at] = LoadKey(type, p.keys, dim, t % kPanelTokens, i);
        v[at] = LoadValue(type, p.values, dim, t % kPanelTokens, i);
      }
    }
  }

  DType dtype;
  int head_dim;
  int n;
  std::vector<float> k, v;
  AlignedBuffer keys, values;
  std::vector<KeyPanel> panels;
};

struct Partial {
  explicit Partial(int rows, int dim)
      : stride(ValueStride(dim)),
        m(static_cast<size_t>(rows), -kInf),
        d(static_cast<size_t>(rows), 0.0f),
        o(static_cast<size_t>(rows * stride), 0.0f) {}
  int stride;
  std::vector<float> m, d, o;
};

void RunAttend(const KernelTable& kernels, const Cache& cache, const std::vector<KeyPanel>& panels,
               const std::vector<float>& q, const std::vector<int32_t>& lo,
               const std::vector<int32_t>& hi, Partial& out, float* weights = nullptr,
               float* tile_max = nullptr, bool may_round = false) {
  const int rows = static_cast<int>(lo.size());
  AlignedBuffer scratch(
      static_cast<size_t>(kernels.attend_scratch_floats(rows, cache.head_dim)) * 4 + 64);
  kernels.attend({.dtype = cache.dtype,
                  .head_dim = cache.head_dim,
                  .rows = rows,
                  .q = q.data(),
                  .lo = lo.data(),
                  .hi = hi.data(),
                  .panels = panels.data(),
                  .n_panels = static_cast<int>(panels.size()),
                  .scale = 1.0f / std::sqrt(static_cast<float>(cache.head_dim)),
                  .m = out.m.data(),
                  .d = out.d.data(),
                  .o = out.o.data(),
                  .weights = weights,
                  .tile_max = tile_max,
                  .scratch = scratch.as<float>(),
                  .may_round = may_round});
}

// The definition, in float64: softmax over the tokens that the row sees.
struct Expected {
  std::vector<double> probability;  // per token
  std::vector<double> out;          // per channel
  bool empty = true;
};

Expected Reference(const Cache& c, const std::vector<KeyPanel>& panels, const float* q, int32_t lo,
                   int32_t hi) {
  Expected e;
  e.probability.assign(static_cast<size_t>(c.n), 0.0);
  e.out.assign(static_cast<size_t>(c.head_dim), 0.0);
  std::vector<double> score(static_cast<size_t>(c.n), -INFINITY);
  for (const KeyPanel& p : panels) {
    for (int lane = 0; lane < kPanelTokens; ++lane) {
      const int t = p.first + lane;
      if (!(p.lanes >> lane & 1u) || t < lo || t >= hi) continue;
      double s = 0;
      for (int i = 0; i < c.head_dim; ++i) {
        s += static_cast<double>(q[i]) *
             static_cast<double>(c.k[static_cast<size_t>(t * c.head_dim + i)]);
      }
      score[static_cast<size_t>(t)] = s / std::sqrt(static_cast<double>(c.head_dim));
      e.empty = false;
    }
  }
  const double top = *std::max_element(score.begin(), score.end());
  double sum = 0;
  for (size_t t = 0; t < score.size(); ++t) {
    e.probability[t] = e.empty ? 0 : std::exp(score[t] - top);
    sum += e.probability[t];
  }
  for (size_t t = 0; t < score.size() && !e.empty; ++t) {
    e.probability[t] /= sum;
    for (int i = 0; i < c.head_dim; ++i) {
      e.out[static_cast<size_t>(i)] +=
          e.probability[t] *
          static_cast<double>(c.v[t * static_cast<size_t>(c.head_dim) + static_cast<size_t>(i)]);
    }
  }
  return e;
}

// Error of an output channel. Scores are sums of head_dim products of magnitude <= 1, scaled by
// 1/sqrt(head_dim): each is off by at most ~ eps * sqrt(head_dim) * 2, which moves a probability by
// that relative amount; exp adds 2e-7, and summing n weighted values of magnitude <= 1 adds eps per
// step on average. A bf16 dot-product set also rounds queries and weights to 8 bits, sets with
// integer dot products those of int8 panels to 15 bits of the largest.
double Bound(const KernelTable& kernels, const Cache& c) {
  const double eps = std::numeric_limits<float>::epsilon();
  const double f32 = eps * (4 * std::sqrt(static_cast<double>(c.head_dim)) + 8);
  if (c.dtype == DType::kI8 && (kernels.isa == "avx512vnni" || kernels.isa == "avx512bf16")) {
    return f32 + 0x1p-13;
  }
  if (!kernels.prefers_bf16 || c.dtype != DType::kBF16) return f32;
  return f32 + 0x1p-8 * 2;
}

class AttendTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& kernels() const { return *GetParam(); }
};

TEST_P(AttendTest, MatchesFloat64ForAllShapes) {
  Rng rng(1);
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kI8}) {
    for (int dim : {8, 16, 24, 64, 80, 96, 128, 256}) {
      for (int tokens : {1, 15, 16, 17, 63, 64, 65, 200}) {
        const Cache cache(kernels(), type, tokens, dim, rng);
        for (int rows : {1, 2, 5, 6, 7, 13}) {
          auto q = RandomFloats(rng, static_cast<size_t>(rows * dim), 2.0);
          if (kernels().prefers_bf16 && type == DType::kBF16) {
            for (float& x : q) x = ToFloat(ToBFloat16(x));
          }
          std::vector<int32_t> lo, hi;
          for (int r = 0; r < rows; ++r) {
            const auto a = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(tokens) + 1));
            const auto b = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(tokens) + 2));
            lo.push_back(r % 3 == 0 ? 0 : std::min(a, b));
            hi.push_back(r % 3 == 1 ? tokens : std::max(a, b));
          }
          Partial got(rows, dim);
          RunAttend(kernels(), cache, cache.panels, q, lo, hi, got);
          for (int r = 0; r < rows; ++r) {
            const Expected want = Reference(cache, cache.panels, q.data() + r * dim,
                                            lo[static_cast<size_t>(r)], hi[static_cast<size_t>(r)]);
            const float d = got.d[static_cast<size_t>(r)];
            if (want.empty) {
              ASSERT_EQ(got.m[static_cast<size_t>(r)], -kInf);
              ASSERT_EQ(d, 0.0f);
              continue;
            }
            for (int i = 0; i < dim; ++i) {
              const double x = got.o[static_cast<size_t>(r * got.stride + i)] / d;
              ASSERT_NEAR(x, want.out[static_cast<size_t>(i)], Bound(kernels(), cache))
                  << kernels().isa << " dim " << dim << " tokens " << tokens << " row " << r;
            }
          }
        }
      }
    }
  }
}

// Every type's panels rounded to bf16, where the set does that, many rows and few.
TEST_P(AttendTest, MayRound) {
  Rng rng(7);
  const int tokens = 200;
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kI8}) {
    for (int dim : {8, 40, 64, 128, 256}) {
      const Cache cache(kernels(), type, tokens, dim, rng);
      for (int rows : {3, 9, 14, 64}) {
        const auto q = RandomFloats(rng, static_cast<size_t>(rows * dim), 2.0);
        std::vector<int32_t> lo, hi;
        for (int r = 0; r < rows; ++r) {
          lo.push_back(r % 3);
          hi.push_back(tokens - 2 * r);
        }
        Partial exact(rows, dim), rounded(rows, dim);
        RunAttend(kernels(), cache, cache.panels, q, lo, hi, exact);
        RunAttend(kernels(), cache, cache.panels, q, lo, hi, rounded, nullptr, nullptr, true);
        // Rounding by 2^-9 of queries up to 2 and keys up to 1 moves a score by about 2^-8 (errors
        // of head_dim products, scaled by its root), weights and values by 2^-9 more each; the
        // worst of thousands of outputs is some times that.
        const double bound = 0x1p-8 * 8;
        double worst = 0;
        for (int r = 0; r < rows; ++r) {
          for (int i = 0; i < dim; ++i) {
            const auto at = static_cast<size_t>(r * exact.stride + i);
            const auto row = static_cast<size_t>(r);
            worst = std::max(worst, std::abs(static_cast<double>(exact.o[at] / exact.d[row] -
                                                                 rounded.o[at] / rounded.d[row])));
          }
        }
        EXPECT_LT(worst, bound) << kernels().isa << " dim " << dim << " rows " << rows;
        const bool rounds = kernels().prefers_bf16 && type != DType::kBF16 && rows > 8;
        EXPECT_EQ(worst > 0, rounds) << kernels().isa << " dim " << dim << " rows " << rows;
      }
    }
  }
}

// Splitting the panels over several calls, in any order, is the same as one call.
TEST_P(AttendTest, ContinuesAPartial) {
  Rng rng(2);
  const Cache cache(kernels(), DType::kF32, 300, 64, rng);
  const int rows = 9;
  const auto q = RandomFloats(rng, rows * 64, 3.0);
  const std::vector<int32_t> lo(rows, 0), hi(rows, 300);
  Partial once(rows, 64), parts(rows, 64);
  RunAttend(kernels(), cache, cache.panels, q, lo, hi, once);
  const std::vector<KeyPanel> tail(cache.panels.begin() + 7, cache.panels.end());
  const std::vector<KeyPanel> head(cache.panels.begin(), cache.panels.begin() + 7);
  RunAttend(kernels(), cache, tail, q, lo, hi, parts);
  RunAttend(kernels(), cache, head, q, lo, hi, parts);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < 64; ++i) {
      EXPECT_NEAR(once.o[r * 64 + i] / once.d[r], parts.o[r * 64 + i] / parts.d[r], 3e-6);
    }
  }
}

TEST_P(AttendTest, WeightsGiveProbabilities) {
  Rng rng(3);
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kI8}) {
    const int rows = 8, dim = 32, tokens = 150;
    const Cache cache(kernels(), type, tokens, dim, rng);
    auto q = RandomFloats(rng, rows * dim, 3.0);
    if (kernels().prefers_bf16) {
      for (float& x : q) x = ToFloat(ToBFloat16(x));
    }
    std::vector<int32_t> lo, hi;
    for (int r = 0; r < rows; ++r) {
      lo.push_back(r * 11);
      hi.push_back(r == 3 ? r * 11 : 60 + r * 12);  // row 3 sees nothing
    }
    const int tiles = (static_cast<int>(cache.panels.size()) + kTilePanels - 1) / kTilePanels;
    std::vector<float> weights(static_cast<size_t>(tiles * rows * kTileTokens), NAN);
    std::vector<float> tile_max(static_cast<size_t>(tiles * rows), NAN);
    Partial p(rows, dim);
    RunAttend(kernels(), cache, cache.panels, q, lo, hi, p, weights.data(), tile_max.data());
    std::vector<double> want(static_cast<size_t>(tokens), 0.0);
    std::vector<float> got(static_cast<size_t>(tiles * kTileTokens), 0.0f);
    for (int r = 0; r < rows; ++r) {
      const auto e = Reference(cache, cache.panels, q.data() + r * dim, lo[static_cast<size_t>(r)],
                               hi[static_cast<size_t>(r)]);
      for (size_t t = 0; t < want.size(); ++t) want[t] += e.probability[t];
    }
    for (int tile = 0; tile < tiles; ++tile) {
      std::vector<float> scale;
      for (size_t r = 0; r < rows; ++r) {
        const float top = tile_max[static_cast<size_t>(tile * rows) + r];
        scale.push_back(p.d[r] == 0 ? 0 : std::exp(top - p.m[r]) / p.d[r]);
      }
      kernels().column_sums(weights.data() + tile * rows * kTileTokens, scale.data(), rows,
                            got.data() + tile * kTileTokens);
    }
    for (size_t t = 0; t < want.size(); ++t) {
      ASSERT_NEAR(got[t], want[t], rows * Bound(kernels(), cache)) << kernels().isa << " " << t;
    }
  }
}

// Without values: the same maxima, sums and weights.
TEST_P(AttendTest, WeightsWithoutValues) {
  Rng rng(6);
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (int dim : {8, 40, 128}) {
      const int rows = 9, tokens = 150;
      const Cache cache(kernels(), type, tokens, dim, rng);
      const auto q = RandomFloats(rng, static_cast<size_t>(rows * dim), 3.0);
      const std::vector<int32_t> lo(rows, 3), hi = {3, 10, 40, 64, 65, 100, 149, 150, 150};
      const size_t tiles = (cache.panels.size() + kTilePanels - 1) / kTilePanels;
      std::vector<float> want(tiles * rows * kTileTokens, NAN), got = want;
      std::vector<float> want_max(tiles * rows, NAN), got_max = want_max;
      Partial full(rows, dim), bare(rows, dim);
      RunAttend(kernels(), cache, cache.panels, q, lo, hi, full, want.data(), want_max.data());
      std::vector<KeyPanel> keys_only = cache.panels;
      for (KeyPanel& p : keys_only) p.values = nullptr;
      AlignedBuffer scratch(static_cast<size_t>(kernels().attend_scratch_floats(rows, dim)) * 4 +
                            64);
      kernels().attend({.dtype = type,
                        .head_dim = dim,
                        .rows = rows,
                        .q = q.data(),
                        .lo = lo.data(),
                        .hi = hi.data(),
                        .panels = keys_only.data(),
                        .n_panels = static_cast<int>(keys_only.size()),
                        .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
                        .m = bare.m.data(),
                        .d = bare.d.data(),
                        .o = nullptr,
                        .weights = got.data(),
                        .tile_max = got_max.data(),
                        .scratch = scratch.as<float>()});
      EXPECT_EQ(bare.m, full.m);
      EXPECT_EQ(bare.d, full.d);
      EXPECT_EQ(got, want);
      EXPECT_EQ(got_max, want_max);
    }
  }
}

// Small integers: sums are exact in any order.
TEST_P(AttendTest, DiagonalSumsAreExact) {
  Rng rng(7);
  for (int rows : {1, 2, 6, 17, 64}) {
    const auto n = static_cast<size_t>(rows * kTileTokens);
    std::vector<float> weights(n), scale(static_cast<size_t>(rows));
    for (float& w : weights) w = static_cast<float>(rng.Below(9));
    for (float& x : scale) x = static_cast<float>(rng.Below(5));
    const size_t sums = static_cast<size_t>(kTileTokens + rows - 1);
    std::vector<float> got(sums + 16, 1.0f), want = got;
    for (int r = 0; r < rows; ++r) {
      for (int j = 0; j < kTileTokens; ++j) {
        want[static_cast<size_t>(j - r + rows - 1)] +=
            weights[static_cast<size_t>(r * kTileTokens + j)] * scale[static_cast<size_t>(r)];
      }
    }
    kernels().diagonal_sums(weights.data(), scale.data(), rows, got.data());
    EXPECT_EQ(got, want) << kernels().isa << " rows " << rows;  // nothing behind the sums changes
  }
}

// Lanes that are not selected, and panels whose tokens have no position of their own.
TEST_P(AttendTest, LaneBitsAndPositionlessPanels) {
  Rng rng(4);
  const Cache cache(kernels(), DType::kF32, 64, 16, rng);
  const auto q = RandomFloats(rng, 16);
  std::vector<KeyPanel> panels = cache.panels;
  panels[0].lanes = 0x0f0f;
  panels[2].lanes = 0;
  panels[3].lanes = 0x8001;
  Partial p(1, 16);
  RunAttend(kernels(), cache, panels, q, {2}, {60}, p);
  const auto want = Reference(cache, panels, q.data(), 2, 60);
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(p.o[i] / p.d[0], want.out[i], 2e-6);

  std::vector<KeyPanel> free = {panels[3]};
  free[0].first = -1;  // both of its lanes count, whatever lo and hi say
  Partial f(1, 16);
  RunAttend(kernels(), cache, free, q, {0}, {1}, f);
  const auto both = Reference(cache, {panels[3]}, q.data(), 0, 64);
  for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(f.o[i] / f.d[0], both.out[i], 2e-6);
}

// Scores far apart: weights vanish to exact zeros, nothing overflows.
TEST_P(AttendTest, ExtremeScores) {
  Rng rng(5);
  const Cache cache(kernels(), DType::kF32, 40, 8, rng);
  auto q = RandomFloats(rng, 8, 1000.0);
  Partial p(1, 8);
  RunAttend(kernels(), cache, cache.panels, q, {0}, {40}, p);
  EXPECT_TRUE(std::isfinite(p.m[0]));
  EXPECT_GE(p.d[0], 1.0f);
  const auto want = Reference(cache, cache.panels, q.data(), 0, 40);
  // Scores of magnitude 1000 carry an absolute error of 1000 * 8 * eps = 1e-3.
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(p.o[i] / p.d[0], want.out[i], 2e-3);
}

INSTANTIATE_TEST_SUITE_P(Isa, AttendTest,
                         testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry::kernels

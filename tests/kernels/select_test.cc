// Kernels of block selection on every instruction set: ranges and the best of a list exactly,
// bounds against float64.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/random.h"

namespace quarry::kernels {
namespace {

constexpr double kUnit = 0x1p-24;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class SelectTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& kernels() const { return *GetParam(); }
};

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kI8};
constexpr int kDims[] = {8, 16, 24, 40, 64, 72, 128, 256};

// Random tokens packed into a key panel, and the rows as stored.
struct Panel {
  Panel(Rng& rng, const KernelTable& kernels, DType t, int head_dim)
      : type(t), dim(head_dim), bytes(KeyPanelBytes(t, head_dim)) {
    const std::vector<float> x = RandomFloats(rng, static_cast<size_t>(16 * dim), 2);
    kernels.pack_keys(type, x.data(), dim, 16, dim, 0, bytes.data());
  }
  float at(int lane, int d) const { return LoadKey(type, bytes.data(), dim, lane, d); }

  DType type;
  int dim;
  std::vector<std::byte> bytes;
};

TEST_P(SelectTest, KeyRange) {
  Rng rng(1);
  for (DType type : kTypes) {
    for (int dim : kDims) {
      const Panel panel(rng, kernels(), type, dim);
      for (const auto& [begin, end] :
           {std::pair{0, 16}, {0, 1}, {15, 16}, {3, 11}, {7, 8}, {5, 5}}) {
        // One guard behind the end.
        std::vector<float> low(static_cast<size_t>(dim) + 1, 0.25f), high(low.size(), -0.25f);
        kernels().key_range(type, panel.bytes.data(), dim, begin, end, low.data(), high.data());
        for (int d = 0; d < dim; ++d) {
          float want_low = 0.25f, want_high = -0.25f;
          for (int lane = begin; lane < end; ++lane) {
            want_low = std::min(want_low, panel.at(lane, d));
            want_high = std::max(want_high, panel.at(lane, d));
          }
          ASSERT_EQ(low[static_cast<size_t>(d)], want_low) << d << " " << begin << " " << end;
          ASSERT_EQ(high[static_cast<size_t>(d)], want_high) << d << " " << begin << " " << end;
        }
        ASSERT_EQ(low.back(), 0.25f);
        ASSERT_EQ(high.back(), -0.25f);
      }
    }
  }
}

TEST_P(SelectTest, PageBounds) {
  Rng rng(2);
  for (DType type : kTypes) {
    for (int dim : kDims) {
      const Panel high(rng, kernels(), type, dim), low(rng, kernels(), type, dim);
      for (int rows : {1, 2, 3, 4, 5, 7, 8, 11}) {
        const auto up = RandomFloats(rng, static_cast<size_t>(rows * dim), 2);
        const auto down = RandomFloats(rng, static_cast<size_t>(rows * dim), 2);
        const int64_t stride = 19;
        std::vector<float> scores(static_cast<size_t>(rows * stride), 7.0f);
        kernels().page_bounds({.dtype = type,
                               .head_dim = dim,
                               .rows = rows,
                               .up = up.data(),
                               .down = down.data(),
                               .high = high.bytes.data(),
                               .low = low.bytes.data(),
                               .scores = scores.data(),
                               .stride = stride,
                               .ahead_high = high.bytes.data(),
                               .ahead_low = low.bytes.data()});
        for (int r = 0; r < rows; ++r) {
          for (int lane = 0; lane < stride; ++lane) {
            const float got = scores[static_cast<size_t>(r * stride + lane)];
            if (lane >= 16) {
              ASSERT_EQ(got, 7.0f);
              continue;
            }
            double want = 0, size = 0;
            for (int d = 0; d < dim; ++d) {
              const auto at = static_cast<size_t>(r * dim + d);
              const double a = static_cast<double>(up[at]) * static_cast<double>(high.at(lane, d));
              const double b = static_cast<double>(down[at]) * static_cast<double>(low.at(lane, d));
              want += a + b;
              size += std::abs(a) + std::abs(b);
            }
            // 2 dim products and as many additions in f32, in any order.
            ASSERT_NEAR(got, want, (2 * dim + 2) * kUnit * size) << DTypeName(type) << " " << dim;
          }
        }
      }
    }
  }
}

// By sorting: the definition.
std::vector<int32_t> Best(const std::vector<float>& scores, size_t k) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int32_t i) {
    const float x = scores[static_cast<size_t>(i)];
    return std::isnan(x) ? std::pair{0, 0.0f} : std::pair{1, x};
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return rank(a) > rank(b); });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

void ExpectBest(const KernelTable& kernels, const std::vector<float>& scores) {
  const size_t n = scores.size();
  for (size_t k : {size_t{0}, size_t{1}, size_t{2}, n / 3, n / 2, n - 1, n}) {
    if (k > n) continue;
    for (size_t offset : {0, 1, 5}) {
      std::vector<float> moved(offset, kInfinity);
      moved.insert(moved.end(), scores.begin(), scores.end());
      moved.resize(moved.size() + 16, kInfinity);  // must not be looked at
      std::vector<int32_t> out(k + 1, -7);
      kernels.top_k(moved.data() + offset, static_cast<int64_t>(n), static_cast<int64_t>(k),
                    out.data());
      ASSERT_EQ(out.back(), -7) << "written behind the end";
      out.pop_back();
      ASSERT_EQ(out, Best(scores, k)) << "k " << k << " of " << n;
    }
  }
}

constexpr size_t kLengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 511, 2049};

TEST_P(SelectTest, TopKOfRandomScores) {
  Rng rng(3);
  for (size_t n : kLengths) {
    for (double scale : {1e-42, 1e-3, 1.0, 1e38}) {
      ExpectBest(kernels(), RandomFloats(rng, n, scale));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(SelectTest, TopKOfManyTies) {
  Rng rng(4);
  for (size_t n : kLengths) {
    for (uint64_t values : {1, 2, 3, 10}) {
      std::vector<float> scores(n);
      for (float& x : scores) x = static_cast<float>(rng.Below(values)) - 1.0f;
      ExpectBest(kernels(), scores);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(SelectTest, TopKOfStrangeScores) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float strange[] = {nan,
                           kInfinity,
                           -kInfinity,
                           0.0f,
                           -0.0f,
                           std::numeric_limits<float>::denorm_min(),
                           -std::numeric_limits<float>::denorm_min(),
                           std::numeric_limits<float>::max(),
                           std::numeric_limits<float>::lowest()};
  Rng rng(5);
  for (size_t n : kLengths) {
    for (uint64_t kinds = 1; kinds <= std::size(strange); ++kinds) {
      std::vector<float> scores(n);
      for (float& x : scores) x = strange[rng.Below(kinds)];
      ExpectBest(kernels(), scores);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, SelectTest,
                         testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry::kernels

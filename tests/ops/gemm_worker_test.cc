#include "ops/gemm_worker.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"
#include "tensor/dtype.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

// oneDNN's implementation that takes our panels as they are, and treats rows alike, is the one for
// AVX-512; a version that chose another there would be several times slower.
TEST(GemmWorker, TakesPanelsWhereThereIsAvx512) {
#if defined(__x86_64__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (!avx512) GTEST_SKIP() << "no AVX-512 here";
  EXPECT_EQ(GemmWorker().f32_layout(), GemmWeights::kF32Panels);
#else
  GTEST_SKIP() << "not x86-64";
#endif
}

struct Product {
  Product(Rng& rng, GemmWeights layout, int64_t m, int64_t n, int64_t k)
      : c(static_cast<size_t>(m * n), NAN) {
    const auto at = [](int64_t i) { return static_cast<size_t>(i); };
    const bool bf16 = layout == GemmWeights::kBf16Panels;
    const int64_t padded = layout == GemmWeights::kF32Rows ? k
                           : bf16                          ? (k + 31) / 32 * 32
                                                           : (k + 15) / 16 * 16;
    a = AlignedBuffer(at(m * k) * 4);
    w = AlignedBuffer(at(padded * n) * 4);
    std::fill_n(w.data(), w.size(), std::byte{});
    want.assign(at(m * n), 0.0);
    size.assign(at(m * n), 0.0);
    std::vector<double> x, y(at(k * n));
    const DType type = bf16 ? DType::kBF16 : DType::kF32;
    for (int64_t i = 0; i < m * k; ++i) {
      StoreElement(type, a.data(), at(i), RandomFloats(rng, 1)[0]);
      x.push_back(static_cast<double>(LoadElement(type, a.data(), at(i))));
    }
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const int64_t panel = j / 64 * padded * 64, column = j % 64;
        const int64_t where = layout == GemmWeights::kF32Rows ? i * n + j
                              : bf16 ? panel + i / 2 * 128 + column * 2 + i % 2
                                     : panel + i * 64 + column;
        StoreElement(type, w.data(), at(where), RandomFloats(rng, 1)[0]);
        y[at(i * n + j)] = static_cast<double>(LoadElement(type, w.data(), at(where)));
      }
    }
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const double p = x[at(r * k + i)] * y[at(i * n + j)];
          want[at(r * n + j)] += p;
          size[at(r * n + j)] += std::abs(p);
        }
      }
    }
  }

  AlignedBuffer a, w;
  std::vector<float> c;
  std::vector<double> want, size;
};

TEST(GemmWorker, MatchesFloat64) {
  Rng rng(1);
  GemmWorker worker;
  for (GemmWeights layout :
       {GemmWeights::kF32Rows, GemmWeights::kF32Panels, GemmWeights::kBf16Panels}) {
    for (int64_t m : {1, 5, 16, 48, 130}) {
      for (const auto& [n, k] :
           {std::pair<int64_t, int64_t>{64, 2}, {64, 34}, {128, 64}, {192, 100}, {64, 300}}) {
        Product p(rng, layout, m, n, k);
        worker.Multiply(layout, m, n, k, p.a.data(), p.w.data(), p.c.data());
        for (size_t i = 0; i < p.c.size(); ++i) {
          // A sum of k products in f32, in any order.
          ASSERT_NEAR(static_cast<double>(p.c[i]), p.want[i],
                      static_cast<double>(k + 1) * 0x1p-24 * p.size[i])
              << static_cast<int>(layout) << " m " << m << " n " << n << " k " << k;
        }
      }
    }
  }
}

}  // namespace
}  // namespace quarry

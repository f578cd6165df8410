// Linear layers of every instruction set against float64.

#include "ops/matmul.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tensor/dtype.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

constexpr double kU = 0x1p-24;
constexpr int64_t kRows[] = {1, 3, 8, 9, 16, 100, 300};
constexpr int64_t kMostRows = 300;

// n not a multiple of 64; k of neither 16 nor 32; one that is both; several slabs of panels.
struct Size {
  int64_t n, k;
};
constexpr Size kSizes[] = {{1, 2}, {64, 32}, {100, 50}, {130, 70}, {192, 256}, {200, 514}};

// What the layer computes: sums of products, and of their magnitudes, before the epilogue.
struct Expected {
  std::vector<double> product, size;  // [m][padded_n]
};

// One layer with its weights as the packed matrix holds them.
struct Layer {
  Layer(Rng& rng, int64_t n, int64_t k, DType dtype, bool gate_and_up, bool bias, double scale) {
    const int64_t rows = gate_and_up ? 2 * n : n;
    std::vector<float> w = scale > 0 ? RandomFloats(rng, static_cast<size_t>(rows * k), scale)
                                     : std::vector<float>(static_cast<size_t>(rows * k));
    if (scale == 0) {
      for (float& x : w) x = static_cast<float>(static_cast<int>(rng.Below(17)) - 8);
    }
    const auto part = [&](int64_t first, int64_t count) {
      return MatrixRows{reinterpret_cast<const std::byte*>(w.data() + first * k), DType::kF32,
                        count};
    };
    std::vector<float> b;
    for (int64_t i = 0; i < rows; ++i) b.push_back(static_cast<float>(static_cast<int>(i % 9) - 4));
    if (gate_and_up) {
      matrix = PackedMatrix::Interleave(part(0, n), part(n, n), k, dtype);
      if (bias) matrix.SetInterleavedBias({b.begin(), b.begin() + n}, {b.begin() + n, b.end()});
    } else {
      const MatrixRows parts[] = {part(0, n)};
      matrix = PackedMatrix::Stack(parts, k, dtype);
      if (bias) matrix.SetStackedBias(std::vector<std::vector<float>>{b});
    }
    column.assign(static_cast<size_t>(matrix.padded_n()), std::vector<double>());
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t within = r % n;
      const int64_t c = gate_and_up ? within / 64 * 128 + (r < n ? 0 : 64) + within % 64 : r;
      for (int64_t i = 0; i < k; ++i) {
        const float x = w[static_cast<size_t>(r * k + i)];
        column[static_cast<size_t>(c)].push_back(
            static_cast<double>(dtype == DType::kF32 ? x : ToFloat(ToBFloat16(x))));
      }
    }
  }

  Expected Times(const std::vector<float>& x, int64_t x_stride, int64_t m) const {
    Expected e;
    for (int64_t r = 0; r < m; ++r) {
      for (size_t c = 0; c < column.size(); ++c) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < column[c].size(); ++i) {
          const double p =
              static_cast<double>(x[static_cast<size_t>(r * x_stride) + i]) * column[c][i];
          sum += p;
          size += std::abs(p);
        }
        if (!matrix.bias().empty()) sum += static_cast<double>(matrix.bias()[c]);
        if (!matrix.bias().empty()) size += std::abs(static_cast<double>(matrix.bias()[c]));
        e.product.push_back(sum);
        e.size.push_back(size);
      }
    }
    return e;
  }

  PackedMatrix matrix;
  std::vector<std::vector<double>> column;  // of the padded product, its weights; empty: padding
};

double Silu(double x) { return x / (1 + std::exp(-x)); }

class MatMulTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  const kernels::KernelTable& kernels() const { return *GetParam(); }
};

// Runs a layer into rows that are `gap` apart and checks that the gap stays.
std::vector<float> Multiply(const Layer& layer, const std::vector<float>& x, int64_t x_stride,
                            int64_t m, Epilogue epilogue, float before, ExecContext& ctx) {
  const int64_t columns = OutputColumns(layer.matrix, epilogue), stride = columns + 3;
  constexpr float kGuard = 777;
  std::vector<float> y(static_cast<size_t>(m * stride), kGuard);
  for (int64_t r = 0; r < m; ++r) std::fill_n(y.begin() + r * stride, columns, before);
  MatMul(layer.matrix, x.data(), x_stride, m, epilogue, y.data(), stride, ctx);
  std::vector<float> out;
  for (int64_t r = 0; r < m; ++r) {
    const auto row = y.begin() + r * stride;
    out.insert(out.end(), row, row + columns);
    for (int64_t c = columns; c < stride; ++c) EXPECT_EQ(row[c], kGuard) << "written behind a row";
  }
  return out;
}

// Inputs that no value of a row's padding may reach: it is NaN.
std::vector<float> PaddedRows(const std::vector<float>& rows, int64_t m, int64_t k,
                              int64_t stride) {
  std::vector<float> x(static_cast<size_t>(m * stride), NAN);
  for (int64_t r = 0; r < m; ++r) {
    std::copy_n(rows.begin() + r * k, k, x.begin() + r * stride);
  }
  return x;
}

// Small integers: every product and sum is exact, in f32 and in bf16.
TEST_P(MatMulTest, SmallIntegersAreExact) {
  Rng rng(1);
  ExecContext ctx(kernels(), 2, true);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (const auto& [n, k] : kSizes) {
      for (bool bias : {false, true}) {
        const Layer layer(rng, n, k, dtype, false, bias, 0);
        std::vector<float> rows;
        for (int64_t i = 0; i < kMostRows * k; ++i) {
          rows.push_back(static_cast<float>(static_cast<int>(rng.Below(17)) - 8));
        }
        const Expected want = layer.Times(rows, k, kMostRows);
        for (int64_t m : kRows) {
          SCOPED_TRACE(fmt::format("{} n {} k {} m {} bias {}", DTypeName(dtype), n, k, m, bias));
          const int64_t stride = m % 2 == 0 ? k : k + 6;
          const std::vector<float> x = PaddedRows(rows, m, k, stride);
          const auto stored = Multiply(layer, x, stride, m, Epilogue::kStore, NAN, ctx);
          const auto added = Multiply(layer, x, stride, m, Epilogue::kAdd, 5.0f, ctx);
          for (size_t i = 0; i < stored.size(); ++i) {
            ASSERT_EQ(static_cast<double>(stored[i]), want.product[i]) << "element " << i;
            ASSERT_EQ(static_cast<double>(added[i]), want.product[i] + 5) << "element " << i;
          }
        }
      }
    }
  }
}

TEST_P(MatMulTest, MatchesFloat64) {
  Rng rng(2);
  ExecContext ctx(kernels(), 2);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (const auto& [n, k] : kSizes) {
      const Layer layer(rng, n, k, dtype, false, true, 1.0);
      const auto x = RandomFloats(rng, static_cast<size_t>(kMostRows * k));
      const Expected want = layer.Times(x, k, kMostRows);
      for (int64_t m : kRows) {
        const auto got = Multiply(layer, x, k, m, Epilogue::kStore, NAN, ctx);
        for (size_t i = 0; i < got.size(); ++i) {
          // A sum of k products and a bias in f32, in any order.
          ASSERT_NEAR(static_cast<double>(got[i]), want.product[i],
                      static_cast<double>(k + 2) * kU * want.size[i])
              << DTypeName(dtype) << " n " << n << " k " << k << " m " << m;
        }
      }
    }
  }
}

TEST_P(MatMulTest, SiluMul) {
  Rng rng(3);
  ExecContext ctx(kernels(), 2);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (const auto& [n, k] : kSizes) {
      const Layer layer(rng, n, k, dtype, true, n % 2 == 0, 1.0);
      const auto x = RandomFloats(rng, static_cast<size_t>(kMostRows * k));
      const Expected e = layer.Times(x, k, kMostRows);
      for (int64_t m : kRows) {
        const auto got = Multiply(layer, x, k, m, Epilogue::kSiluMul, NAN, ctx);
        const int64_t columns = layer.matrix.padded_n() / 2;
        for (int64_t r = 0; r < m; ++r) {
          for (int64_t c = 0; c < columns; ++c) {
            const auto gate = static_cast<size_t>(r * 2 * columns + c / 64 * 128 + c % 64);
            const double g = e.product[gate], up = e.product[gate + 64];
            // |silu'| <= 1.1; silu itself is off by 8 eps (rows_test).
            const double error = static_cast<double>(k + 2) * kU;
            const double up_error = error * e.size[gate + 64];
            const double bound = 1.1 * error * e.size[gate] * (std::abs(up) + up_error) +
                                 std::abs(Silu(g)) * up_error + 16 * kU * std::abs(Silu(g) * up) +
                                 1e-30;
            ASSERT_NEAR(static_cast<double>(got[static_cast<size_t>(r * columns + c)]),
                        Silu(g) * up, bound)
                << DTypeName(dtype) << " n " << n << " k " << k << " m " << m;
          }
        }
      }
    }
  }
}

// Many rows and bf16 weights: a context that asks for bf16 products rounds the inputs where that is
// the faster arithmetic, and nowhere else.
TEST_P(MatMulTest, RoundsInputsOnlyWhereAsked) {
  Rng rng(4);
  const int64_t n = 128, k = 96;
  const Layer layer(rng, n, k, DType::kBF16, false, false, 1.0);
  for (bool asked : {false, true}) {
    ExecContext ctx(kernels(), 2, asked);
    EXPECT_EQ(ctx.bf16_products(), asked && kernels().prefers_bf16);
    for (int64_t m : {8, 40}) {
      auto x = RandomFloats(rng, static_cast<size_t>(m * k));
      const auto got = Multiply(layer, x, k, m, Epilogue::kStore, NAN, ctx);
      if (ctx.bf16_products() && m > kGemvMaxRows) {
        for (float& v : x) v = ToFloat(ToBFloat16(v));
      }
      const Expected want = layer.Times(x, k, m);
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(got[i]), want.product[i],
                    static_cast<double>(k + 1) * kU * want.size[i])
            << "m " << m << " asked " << asked;
      }
    }
  }
}

// Chunked prefill would otherwise depend on where the text is cut.
TEST_P(MatMulTest, ARowDoesNotDependOnTheOthers) {
  Rng rng(5);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (bool bf16_products : {false, true}) {
      for (const auto& [n, k] : kSizes) {
        const Layer layer(rng, n, k, dtype, false, true, 1.0);
        const int64_t columns = layer.matrix.padded_n();
        const auto x = RandomFloats(rng, static_cast<size_t>(300 * k));
        ExecContext one(kernels(), 1, bf16_products);
        const auto all = Multiply(layer, x, k, 300, Epilogue::kStore, NAN, one);
        for (int threads : {1, 2, 3, 5}) {
          ExecContext ctx(kernels(), threads, bf16_products);
          for (int64_t m : {9, 16, 17, 33, 65, 100, 257}) {
            const int64_t first = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(301 - m)));
            const std::vector<float> part(x.begin() + first * k, x.begin() + (first + m) * k);
            const auto got = Multiply(layer, part, k, m, Epilogue::kStore, NAN, ctx);
            ASSERT_TRUE(std::equal(got.begin(), got.end(), all.begin() + first * columns))
                << DTypeName(dtype) << " n " << n << " k " << k << " m " << m << " threads "
                << threads << " bf16 products " << bf16_products;
          }
        }
      }
    }
  }
}

TEST_P(MatMulTest, ThreadsDoNotChangeABitOfFewRows) {
  Rng rng(6);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    const Layer layer(rng, 300, 130, dtype, false, true, 1.0);
    for (int64_t m = 1; m <= kGemvMaxRows; ++m) {
      const auto x = RandomFloats(rng, static_cast<size_t>(m * 130));
      ExecContext one(kernels(), 1);
      const auto want = Multiply(layer, x, 130, m, Epilogue::kStore, NAN, one);
      for (int threads : {2, 3, 5}) {
        ExecContext ctx(kernels(), threads);
        ASSERT_EQ(Multiply(layer, x, 130, m, Epilogue::kStore, NAN, ctx), want) << threads;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, MatMulTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry

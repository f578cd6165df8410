// Linear layers with quantised weights: decode (8-bit inputs) and prefill (widened weights) against
// float64 products of the dequantised weights.
#include <cmath>

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "ops/matmul.h"
#include "tests/reference/ggml_blocks.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

struct FileMatrix {
  FileMatrix(Rng& rng, WeightType t, int64_t rows, int64_t inputs) : type(t), n(rows), k(inputs) {
    for (int64_t r = 0; r < n; ++r) {
      const std::vector<std::byte> row = reference::RandomRow(type, k, rng);
      bytes.insert(bytes.end(), row.begin(), row.end());
    }
  }
  MatrixRows view() const { return {bytes.data(), type, n}; }
  double at(int64_t row, int64_t i) const {
    return reference::QuantizedValue(type, bytes.data() + row * RowBytes(type, k), i);
  }

  WeightType type;
  int64_t n, k;
  std::vector<std::byte> bytes;
};

// Root mean square of the difference to x W^T, relative to that of the products.
double RelativeError(const FileMatrix& w, const std::vector<float>& x, int64_t m,
                     const std::vector<float>& y, int64_t y_stride, int64_t first_column = 0) {
  double error = 0, size = 0;
  for (int64_t r = 0; r < m; ++r) {
    for (int64_t c = 0; c < w.n; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < w.k; ++i) {
        sum += w.at(c, i) * static_cast<double>(x[static_cast<size_t>(r * w.k + i)]);
      }
      const double d = y[static_cast<size_t>(r * y_stride + first_column + c)] - sum;
      error += d * d;
      size += sum * sum;
    }
  }
  return std::sqrt(error / size);
}

std::vector<float> Multiply(const PackedMatrix& w, const std::vector<float>& x, int64_t m,
                            ExecContext& ctx) {
  std::vector<float> y(static_cast<size_t>(m * w.padded_n()));
  MatMul(w, x.data(), w.k(), m, Epilogue::kStore, y.data(), w.padded_n(), ctx);
  return y;
}

TEST(MatMulQuant, DecodeAndPrefillMatchDequantizedWeights) {
  Rng rng(1);
  constexpr int64_t kN = 150, kK = 512;
  for (const kernels::KernelTable* kernels : kernels::SupportedKernels()) {
    ExecContext exact(*kernels, 2), fast(*kernels, 2, /*bf16_products=*/true);
    for (WeightType type : kWeightTypes) {
      if (!IsQuantized(type)) continue;
      SCOPED_TRACE(std::string(kernels->isa) + " " + std::string(WeightTypeName(type)));
      const FileMatrix w(rng, type, kN, kK);
      const MatrixRows part[] = {w.view()};
      const PackedMatrix packed = PackedMatrix::Stack(part, kK, DType::kF32);
      ASSERT_TRUE(packed.quantized());
      for (int64_t m : {1, 5, 40}) {
        const std::vector<float> x = RandomFloats(rng, static_cast<size_t>(m * kK));
        const std::vector<float> y = Multiply(packed, x, m, exact);
        // Inputs uniform in [-1, 1) in steps of 1 / 127: off by 1 / 127 / sqrt(12) each, of an rms
        // of 1 / sqrt(3): 0.4 %. Scalar kernels take this way at any m.
        const bool integers = m <= kGemvMaxRows || exact.gemm(0) == nullptr;
        EXPECT_LE(RelativeError(w, x, m, y, packed.padded_n()), integers ? 0.012 : 1e-5) << m;
        const std::vector<float> narrow = Multiply(packed, x, m, fast);
        EXPECT_LE(RelativeError(w, x, m, narrow, packed.padded_n()), 0.012) << m;
      }
    }
  }
}

TEST(MatMulQuant, RowsDoNotDependOnTheirNumberOrOnThreads) {
  Rng rng(2);
  const FileMatrix w(rng, WeightType::kQ4_K, 200, 256);
  const MatrixRows part[] = {w.view()};
  const PackedMatrix packed = PackedMatrix::Stack(part, 256, DType::kF32);
  const kernels::KernelTable& kernels = **kernels::ChooseKernels("");
  ExecContext one(kernels, 1), three(kernels, 3);
  const std::vector<float> x = RandomFloats(rng, 8 * 256);
  const std::vector<float> all = Multiply(packed, x, 8, three);
  for (int64_t r = 0; r < 8; ++r) {
    const std::vector<float> row(x.begin() + r * 256, x.begin() + (r + 1) * 256);
    const std::vector<float> alone = Multiply(packed, row, 1, one);
    for (int64_t c = 0; c < 200; ++c) {
      ASSERT_EQ(alone[static_cast<size_t>(c)], all[static_cast<size_t>(r * packed.padded_n() + c)]);
    }
  }
}

TEST(MatMulQuant, PartsOfSeveralTypesShareAMatrix) {
  Rng rng(3);
  constexpr int64_t kK = 256;
  ExecContext ctx(**kernels::ChooseKernels(""), 2);
  // 128 and 64 rows end where panels do; 100 do not.
  for (int64_t rows : {128, 100}) {
    const FileMatrix parts[] = {{rng, WeightType::kQ4_K, rows, kK},
                                {rng, WeightType::kQ6_K, 64, kK},
                                {rng, WeightType::kF16, 30, kK}};
    const MatrixRows views[] = {parts[0].view(), parts[1].view(), parts[2].view()};
    const PackedMatrix packed = PackedMatrix::Stack(views, kK, DType::kF32);
    EXPECT_EQ(packed.quantized(), rows == 128);
    if (rows == 128) {
      EXPECT_EQ(packed.panel_type(0), WeightType::kQ4_K);
      EXPECT_EQ(packed.panel_type(2), WeightType::kQ6_K);
      EXPECT_EQ(packed.panel_type(3), WeightType::kF32);
      EXPECT_FALSE(packed.uniform());
    }
    for (int64_t m : {2, 33}) {
      const std::vector<float> x = RandomFloats(rng, static_cast<size_t>(m * kK));
      const std::vector<float> y = Multiply(packed, x, m, ctx);
      int64_t column = 0;
      for (const FileMatrix& part : parts) {
        EXPECT_LE(RelativeError(part, x, m, y, packed.padded_n(), column), m == 2 ? 0.012 : 1e-5);
        column += part.n;
      }
    }
  }
}

TEST(MatMulQuant, GatesMayDifferInType) {
  Rng rng(4);
  constexpr int64_t kN = 70, kK = 256;
  const FileMatrix gate(rng, WeightType::kQ4_0, kN, kK), up(rng, WeightType::kQ8_0, kN, kK);
  const PackedMatrix packed = PackedMatrix::Interleave(gate.view(), up.view(), kK, DType::kF32);
  ExecContext ctx(**kernels::ChooseKernels(""), 2);
  for (int64_t m : {1, 20}) {
    const std::vector<float> x = RandomFloats(rng, static_cast<size_t>(m * kK));
    const int64_t width = OutputColumns(packed, Epilogue::kSiluMul);
    std::vector<float> y(static_cast<size_t>(m * width));
    MatMul(packed, x.data(), kK, m, Epilogue::kSiluMul, y.data(), width, ctx);
    double error = 0, size = 0;
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t c = 0; c < kN; ++c) {
        double g = 0, u = 0;
        for (int64_t i = 0; i < kK; ++i) {
          const double xi = x[static_cast<size_t>(r * kK + i)];
          g += gate.at(c, i) * xi;
          u += up.at(c, i) * xi;
        }
        const double want = g / (1 + std::exp(-g)) * u;
        error += std::pow(y[static_cast<size_t>(r * width + c)] - want, 2);
        size += want * want;
      }
    }
    EXPECT_LE(std::sqrt(error / size), m == 1 ? 0.03 : 1e-4) << m;
  }
}

TEST(MatMulQuant, QuantizesOnLoadWhereBlocksFit) {
  Rng rng(5);
  for (int64_t k : {256, 96, 40}) {
    const FileMatrix w(rng, WeightType::kBF16, 64, k);
    const MatrixRows part[] = {w.view()};
    for (WeightType to : {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_K}) {
      const PackedMatrix packed = PackedMatrix::Stack(part, k, PackTarget{DType::kBF16, to});
      const bool fits = k % BlockOf(to).values == 0;
      EXPECT_EQ(packed.panel_type(0), fits ? to : WeightType::kBF16);
      EXPECT_EQ(packed.size_bytes(),
                static_cast<size_t>(PackedMatrix::PanelBytes(fits ? to : WeightType::kBF16, k)));
    }
  }
}

}  // namespace
}  // namespace quarry

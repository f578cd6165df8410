// Quantised weights: every instruction set against the scalar kernels, those against float64.
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"
#include "kernels/dispatch.h"
#include "ops/packed_matrix.h"
#include "tests/reference/ggml_blocks.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

using kernels::InputGroup;
using kernels::KernelTable;

std::vector<WeightType> QuantTypes() {
  std::vector<WeightType> out;
  for (WeightType type : kWeightTypes) {
    if (IsQuantized(type)) out.push_back(type);
  }
  return out;
}

// A panel of 64 random rows, packed, and its values in float64.
struct Panel {
  Panel(WeightType t, int64_t inputs, int64_t rows, Rng& rng) : type(t), k(inputs) {
    std::vector<std::byte> bytes;
    for (int64_t r = 0; r < rows; ++r) {
      const std::vector<std::byte> row = reference::RandomRow(type, k, rng);
      for (int64_t i = 0; i < k; ++i)
        values.push_back(reference::QuantizedValue(type, row.data(), i));
      bytes.insert(bytes.end(), row.begin(), row.end());
    }
    values.resize(static_cast<size_t>(64 * k), 0.0);
    const MatrixRows part[] = {{bytes.data(), type, rows}};
    packed = PackedMatrix::Stack(part, k, DType::kF32);
  }
  double at(int64_t row, int64_t i) const { return values[static_cast<size_t>(row * k + i)]; }

  WeightType type;
  int64_t k;
  std::vector<double> values;  // [64][k]
  PackedMatrix packed;
};

std::string Where(const KernelTable& kernels, WeightType type, int64_t k) {
  return std::string(kernels.isa) + " " + std::string(WeightTypeName(type)) + " k " +
         std::to_string(k);
}

std::vector<InputGroup> Quantized(const KernelTable& kernels, const std::vector<float>& x) {
  std::vector<InputGroup> out(x.size() / 32);
  kernels.quantize_inputs(x.data(), static_cast<int64_t>(x.size()), out.data());
  return out;
}

TEST(QuantKernels, PackedBytesAreThoseOfTheBlocks) {
  Rng rng(1);
  for (WeightType type : QuantTypes()) {
    const Panel panel(type, 512, 64, rng);
    EXPECT_EQ(panel.packed.panel_bytes(0), 64 * RowBytes(type, 512));
    EXPECT_EQ(panel.packed.panel_type(0), type);
    EXPECT_TRUE(panel.packed.quantized());
  }
}

TEST(QuantKernels, WidensExactly) {
  Rng rng(2);
  for (const KernelTable* kernels : kernels::SupportedKernels()) {
    for (WeightType type : QuantTypes()) {
      for (int64_t k : {256, 768}) {
        const Panel panel(type, k, 59, rng);  // the last rows are padding
        constexpr int64_t kStride = 80;
        AlignedBuffer wide(static_cast<size_t>(k * kStride) * 4);
        auto* out = wide.as<float>();
        kernels->unpack_quant(type, panel.packed.panel(0), k, out, kStride);
        AlignedBuffer narrow(static_cast<size_t>(k * 64) * 2);
        auto* bf16 = narrow.as<BFloat16>();
        kernels->unpack_quant_bf16(type, panel.packed.panel(0), k, bf16);
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t c = 0; c < 64; ++c) {
            const auto expected = static_cast<float>(panel.at(c, i));
            ASSERT_EQ(out[i * kStride + c], expected) << Where(*kernels, type, k);
            ASSERT_EQ(ToFloat(bf16[i / 2 * 128 + c * 2 + i % 2]), ToFloat(ToBFloat16(expected)))
                << Where(*kernels, type, k);
          }
        }
      }
    }
  }
}

TEST(QuantKernels, InputsAreTheSameOnEveryInstructionSet) {
  Rng rng(3);
  std::vector<float> x = RandomFloats(rng, 32 * 40, 3);
  for (size_t i = 0; i < 32; ++i) x[i] = 0;
  for (size_t i = 32; i < 64; ++i) x[i] *= 1e-38f;  // too small for a scale
  x[70] = std::numeric_limits<float>::infinity();
  x[100] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<InputGroup> expected = Quantized(kernels::ScalarKernels(), x);
  EXPECT_TRUE(std::isnan(expected[2].scale));
  EXPECT_TRUE(std::isnan(expected[3].scale));
  for (const KernelTable* kernels : kernels::SupportedKernels()) {
    const std::vector<InputGroup> got = Quantized(*kernels, x);
    for (size_t g = 0; g < got.size(); ++g) {
      if (!std::isnan(expected[g].scale)) {
        EXPECT_EQ(got[g].scale, expected[g].scale);
      }
      EXPECT_EQ(std::isnan(got[g].scale), std::isnan(expected[g].scale));
      int32_t sums[2] = {0, 0};
      for (int i = 0; i < 32; ++i) {
        EXPECT_EQ(got[g].q[i], expected[g].q[i]) << kernels->isa << " group " << g;
        sums[i / 16] += got[g].q[i];
        if (g > 3) {
          EXPECT_NEAR(got[g].q[i] * got[g].scale, x[32 * g + static_cast<size_t>(i)],
                      got[g].scale * 0.501f);
        }
      }
      EXPECT_EQ(got[g].sum[0], sums[0]);
      EXPECT_EQ(got[g].sum[1], sums[1]);
    }
  }
}

// Against float64 products of the same codes: integers are exact, what remains is the rounding of
// f32 sums over at most k / 16 terms.
TEST(QuantKernels, ProductsMatchFloat64OfTheSameCodes) {
  Rng rng(4);
  for (const KernelTable* kernels : kernels::SupportedKernels()) {
    for (WeightType type : QuantTypes()) {
      for (int64_t k : {256, 1536}) {
        const Panel panel(type, k, 64, rng);
        for (int rows = 1; rows <= kernels::kGemvRows; ++rows) {
          const int64_t groups = k / 32, stride = groups + 1;
          std::vector<InputGroup> x;
          for (int r = 0; r < rows; ++r) {
            std::vector<float> row = RandomFloats(rng, static_cast<size_t>(k));
            row[5] = 40;  // one group of a much larger scale
            for (const InputGroup& g : Quantized(*kernels, row)) x.push_back(g);
            x.push_back({});
          }
          std::vector<float> y(static_cast<size_t>(rows * 70));
          kernels->gemv_quant({.type = type,
                               .w = panel.packed.panel(0),
                               .k = k,
                               .x = x.data(),
                               .x_stride = stride,
                               .rows = rows,
                               .y = y.data(),
                               .y_stride = 70});
          for (int r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < 64; ++c) {
              double sum = 0, magnitude = 0;
              for (int64_t i = 0; i < k; ++i) {
                const InputGroup& g = x[static_cast<size_t>(r * stride + i / 32)];
                const double term = panel.at(c, i) * g.scale * g.q[i % 32];
                sum += term;
                magnitude += std::fabs(term);
              }
              ASSERT_NEAR(y[static_cast<size_t>(r * 70 + c)], sum, 4e-6 * magnitude)
                  << Where(*kernels, type, k) << " rows " << rows;
            }
          }
        }
      }
    }
  }
}

// The extremes of codes and inputs: where 16-bit sums would overflow.
TEST(QuantKernels, NoIntegerOverflows) {
  for (const KernelTable* kernels : kernels::SupportedKernels()) {
    for (WeightType type : QuantTypes()) {
      for (int byte : {0x00, 0x7f, 0x80, 0xff}) {
        Rng rng(5);
        std::vector<std::byte> row = reference::RandomRow(type, 256, rng);
        const std::vector<std::byte> random = row;
        const auto block = static_cast<size_t>(BlockOf(type).bytes);
        // Codes and scales of all blocks but the f16 fields.
        for (size_t i = 0; i < row.size(); ++i) {
          const size_t at = i % block;
          const bool half =
              type == WeightType::kQ6_K ? at >= 208
              : type == WeightType::kQ8_0 || type == WeightType::kQ4_0 || type == WeightType::kQ5_0
                  ? at < 2
                  : at < 4;
          if (!half) row[i] = static_cast<std::byte>(byte);
        }
        for (float sign : {-1.0f, 1.0f}) {
          const std::vector<float> x(256, sign);
          const MatrixRows part[] = {{row.data(), type, 1}};
          const PackedMatrix w = PackedMatrix::Stack(part, 256, DType::kF32);
          double expected = 0, magnitude = 0;
          for (int64_t i = 0; i < 256; ++i) {
            const double v = reference::QuantizedValue(type, row.data(), i);
            expected += sign * v;
            magnitude += std::fabs(v);
          }
          const std::vector<InputGroup> groups = Quantized(*kernels, x);
          float y[64];
          kernels->gemv_quant({.type = type,
                               .w = w.panel(0),
                               .k = 256,
                               .x = groups.data(),
                               .x_stride = 8,
                               .rows = 1,
                               .y = y,
                               .y_stride = 64});
          EXPECT_NEAR(y[0], expected, 2e-6 * magnitude + 1e-6)
              << Where(*kernels, type, 256) << " byte " << byte << " sign " << sign;
          EXPECT_EQ(y[1], 0) << "padding";
        }
      }
    }
  }
}

}  // namespace
}  // namespace quarry

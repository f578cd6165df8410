// int8 panels: how far numbers may be off, and numbers that are stored exactly.

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"
#include "kernels/dispatch.h"
#include "tests/support/random.h"

namespace quarry::kernels {
namespace {

struct Panel {
  Panel(const KernelTable& kernels, const std::vector<float>& rows, int dim)
      : keys(KeyPanelBytes(DType::kI8, dim)), values(ValuePanelBytes(DType::kI8, dim)) {
    std::fill_n(keys.data(), keys.size(), std::byte{0});
    std::fill_n(values.data(), values.size(), std::byte{0});
    // Lanes 3 to 8, one at a time and together.
    kernels.pack_keys(DType::kI8, rows.data(), dim, 1, dim, 3, keys.data());
    kernels.pack_keys(DType::kI8, rows.data() + dim, dim, 5, dim, 4, keys.data());
    kernels.pack_values(DType::kI8, rows.data(), dim, 1, dim, 3, values.data());
    kernels.pack_values(DType::kI8, rows.data() + dim, dim, 5, dim, 4, values.data());
  }
  AlignedBuffer keys, values;
};

class Int8PanelTest : public testing::TestWithParam<const KernelTable*> {};

TEST_P(Int8PanelTest, IsOffByHalfAScaleAtMost) {
  Rng rng(1);
  for (int dim : {8, 24, 32, 40, 96, 128, 256}) {
    for (double size : {1e-30, 1.0, 1e30}) {
      std::vector<float> rows = RandomFloats(rng, static_cast<size_t>(6 * dim), size);
      const Panel panel(*GetParam(), rows, dim);
      for (int t = 0; t < 16; ++t) {
        for (int c = 0; c < dim; ++c) {
          const float key = LoadKey(DType::kI8, panel.keys.data(), dim, t, c);
          const float value = LoadValue(DType::kI8, panel.values.data(), dim, t, c);
          ASSERT_EQ(key, value);
          if (t < 3 || t > 8) {
            ASSERT_EQ(key, 0.0f) << "lane " << t << " was not written";
            continue;
          }
          const auto row = rows.begin() + (t - 3) * dim;
          const int first = c / 32 * 32;
          double largest = 0;
          for (int i = first; i < std::min(dim, first + 32); ++i) {
            largest = std::max(largest, std::abs(static_cast<double>(row[i])));
          }
          // A scale is rounded up by 2^-7 at most; the quotient by a few 2^-24 of 127.
          const double bound = largest / 127 * (1 + 0x1p-7) * (0.5 + 127 * 0x1p-22);
          ASSERT_NEAR(static_cast<double>(key), static_cast<double>(row[c]), bound)
              << GetParam()->isa << " dim " << dim << " channel " << c;
        }
      }
    }
  }
}

// Integers up to 127, 127 among them in every block, times a power of two.
TEST_P(Int8PanelTest, StoresIntegersAndZerosExactly) {
  constexpr int kDim = 72;
  std::vector<float> rows(6 * kDim, 0.0f);
  for (int t = 0; t < 5; ++t) {  // the last row stays zero
    for (int c = 0; c < kDim; ++c) {
      const int n = c % 32 == 0 ? 127 : (t * 37 + c * 11) % 255 - 127;
      rows[static_cast<size_t>(t * kDim + c)] = std::ldexp(static_cast<float>(n), t * 10 - 25);
    }
  }
  const Panel panel(*GetParam(), rows, kDim);
  for (int t = 0; t < 6; ++t) {
    for (int c = 0; c < kDim; ++c) {
      ASSERT_EQ(LoadKey(DType::kI8, panel.keys.data(), kDim, t + 3, c),
                rows[static_cast<size_t>(t * kDim + c)]);
    }
  }
}

TEST(Int8Panel, Bytes) {
  // 16 tokens of 80 channels, three scales of two bytes each.
  EXPECT_EQ(KeyPanelBytes(DType::kI8, 80), 16u * (80 + 6));
  EXPECT_EQ(ValuePanelBytes(DType::kI8, 80), 16u * (80 + 6));
  EXPECT_EQ(ValuePanelBytes(DType::kI8, 24), 16u * (32 + 2));
  EXPECT_EQ(KeyPanelBytes(DType::kF16, 80), 16u * 160);
}

TEST(Int8, RoundsToNearestWithinItsRange) {
  EXPECT_EQ(ToInt8(0.0f), 0);
  EXPECT_EQ(ToInt8(0.49f), 0);
  EXPECT_EQ(ToInt8(0.5f), 1);
  EXPECT_EQ(ToInt8(-0.5f), -1);
  EXPECT_EQ(ToInt8(126.6f), 127);
  EXPECT_EQ(ToInt8(1e9f), 127);
  EXPECT_EQ(ToInt8(-1e9f), -127);
  EXPECT_EQ(ToInt8(NAN), 127);
}

INSTANTIATE_TEST_SUITE_P(Isa, Int8PanelTest,
                         testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry::kernels

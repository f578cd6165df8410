#include "tensor/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/dtype.h"

namespace quarry {
namespace {

void StoreF16(float x, uint8_t* p) {
  const uint16_t bits = ToFloat16(x).bits;
  std::memcpy(p, &bits, 2);
}

// Nearest integer in [lo, hi]; lo for NaN.
int Nearest(float x, int lo, int hi) {
  if (!(x > static_cast<float>(lo))) return lo;
  if (x >= static_cast<float>(hi)) return hi;
  return static_cast<int>(std::lrintf(x));
}

void Q8_0(const float* x, uint8_t* out) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127;
  const float inverse = d > 0 ? 1 / d : 0;
  StoreF16(d, out);
  for (int i = 0; i < 32; ++i) {
    out[2 + i] = static_cast<uint8_t>(Nearest(x[i] * inverse, -127, 127));
  }
}

// The value of largest magnitude, with its sign, is -8 d: the code has one more step below 0.
void Q4_0(const float* x, uint8_t* out) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const float d = extreme / -8;
  const float inverse = d != 0 ? 1 / d : 0;
  StoreF16(d, out);
  for (int i = 0; i < 16; ++i) {
    const int low = Nearest(x[i] * inverse + 8, 0, 15);
    const int high = Nearest(x[i + 16] * inverse + 8, 0, 15);
    out[2 + i] = static_cast<uint8_t>(low | high << 4);
  }
}

// x[i] ~ scale * q[i] - minimum, q in [0, 15], scale and minimum >= 0.
struct Fit {
  float scale = 0;
  float minimum = 0;
};

// Weighted least squares over 32 values: codes for several guesses of the scale, for each the best
// scale and minimum, of these the pair with the least error. Large values weigh more.
Fit FitGroup(const float* x) {
  float lo = 0, hi = x[0];
  float squares = 0;
  for (int i = 0; i < 32; ++i) {
    lo = std::min(lo, x[i]);
    hi = std::max(hi, x[i]);
    squares += x[i] * x[i];
  }
  if (!(hi > lo) || !std::isfinite(hi - lo)) return {0, hi > lo ? 0 : -lo};
  const float rms = std::sqrt(squares / 32);
  float weight[32];
  for (int i = 0; i < 32; ++i) weight[i] = rms + std::fabs(x[i]);

  const auto error_of = [&](const Fit& f) {
    float error = 0;
    for (int i = 0; i < 32; ++i) {
      const int q = Nearest((x[i] + f.minimum) / f.scale, 0, 15);
      const float e = f.scale * static_cast<float>(q) - f.minimum - x[i];
      error += weight[i] * e * e;
    }
    return error;
  };
  Fit best = {(hi - lo) / 15, -lo};
  float best_error = error_of(best);
  for (int step = -10; step <= 10; ++step) {
    const float inverse = (15 + 0.1f * static_cast<float>(step)) / (hi - lo);
    double sum_w = 0, sum_q = 0, sum_qq = 0, sum_x = 0, sum_qx = 0;
    for (int i = 0; i < 32; ++i) {
      const double q = Nearest((x[i] - lo) * inverse, 0, 15), w = weight[i];
      sum_w += w;
      sum_q += w * q;
      sum_qq += w * q * q;
      sum_x += w * x[i];
      sum_qx += w * q * x[i];
    }
    const double determinant = sum_w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0)) continue;
    Fit fit = {static_cast<float>((sum_w * sum_qx - sum_q * sum_x) / determinant),
               static_cast<float>((sum_q * sum_qx - sum_qq * sum_x) / determinant)};
    if (fit.minimum < 0) fit = {static_cast<float>(sum_qx / sum_qq), 0};
    if (!(fit.scale > 0)) continue;
    const float error = error_of(fit);
    if (error < best_error) {
      best = fit;
      best_error = error;
    }
  }
  return best;
}

void Q4_K(const float* x, uint8_t* out) {
  Fit fits[8];
  float largest_scale = 0, largest_minimum = 0;
  for (int j = 0; j < 8; ++j) {
    fits[j] = FitGroup(x + 32 * j);
    largest_scale = std::max(largest_scale, fits[j].scale);
    largest_minimum = std::max(largest_minimum, fits[j].minimum);
  }
  StoreF16(largest_scale / 63, out);
  StoreF16(largest_minimum / 63, out + 2);
  uint8_t sc[8], mn[8];
  for (int j = 0; j < 8; ++j) {
    const auto code = [](float value, float largest) {
      return largest > 0 ? static_cast<uint8_t>(Nearest(63 * (value / largest), 0, 63))
                         : uint8_t{0};
    };
    sc[j] = code(fits[j].scale, largest_scale);
    mn[j] = code(fits[j].minimum, largest_minimum);
  }
  uint8_t* scales = out + 4;
  for (int j = 0; j < 4; ++j) {
    scales[j] = static_cast<uint8_t>(sc[j] | sc[j + 4] >> 4 << 6);
    scales[j + 4] = static_cast<uint8_t>(mn[j] | mn[j + 4] >> 4 << 6);
    scales[j + 8] = static_cast<uint8_t>((sc[j + 4] & 15) | (mn[j + 4] & 15) << 4);
  }
  // Codes for the scales as they will be read back.
  uint16_t d_bits, m_bits;
  std::memcpy(&d_bits, out, 2);
  std::memcpy(&m_bits, out + 2, 2);
  const float d = ToFloat(Float16{d_bits}), dmin = ToFloat(Float16{m_bits});
  uint8_t q[256];
  for (int e = 0; e < 256; ++e) {
    const float scale = d * static_cast<float>(sc[e / 32]);
    const float minimum = dmin * static_cast<float>(mn[e / 32]);
    q[e] = scale > 0 ? static_cast<uint8_t>(Nearest((x[e] + minimum) / scale, 0, 15)) : uint8_t{0};
  }
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    out[16 + i] = static_cast<uint8_t>(q[first] | q[first + 32] << 4);
  }
}

}  // namespace

void QuantizeRow(WeightType type, const float* x, int64_t n, void* out) {
  const WeightBlock block = BlockOf(type);
  QUARRY_CHECK(CanQuantizeTo(type), "no quantiser for this type");
  QUARRY_DCHECK(n % block.values == 0, "a row is a whole number of blocks");
  auto* p = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < n; i += block.values, p += block.bytes) {
    switch (type) {
      case WeightType::kQ8_0:
        Q8_0(x + i, p);
        break;
      case WeightType::kQ4_0:
        Q4_0(x + i, p);
        break;
      case WeightType::kQ4_K:
        Q4_K(x + i, p);
        break;
      case WeightType::kF32:
        std::memcpy(p, x + i, 4);
        break;
      case WeightType::kF16:
        StoreF16(x[i], p);
        break;
      default: {
        const uint16_t bits = ToBFloat16(x[i]).bits;
        std::memcpy(p, &bits, 2);
      }
    }
  }
}

}  // namespace quarry

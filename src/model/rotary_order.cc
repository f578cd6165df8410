#include "model/rotary_order.h"

#include "model/tensor_reader.h"

namespace quarry {

std::vector<int64_t> ChannelOrder(const RopeSpec& rope, int64_t head_dim) {
  std::vector<int64_t> order;
  const int64_t half = rope.adjacent_pairs ? rope.rotated_dims / 2 : 0;
  for (int64_t p = 0; p < half; ++p) order.push_back(2 * p);
  for (int64_t p = 0; p < half; ++p) order.push_back(2 * p + 1);
  for (int64_t i = 2 * half; i < head_dim; ++i) order.push_back(i);
  return order;
}

void AppendHeads(const MatrixRows& heads, int64_t k, std::span<const int64_t> order,
                 std::vector<MatrixRows>& parts) {
  const auto dim = static_cast<int64_t>(order.size());
  for (int64_t head = 0; head < heads.n; head += dim) {
    for (int64_t channel : order) parts.push_back(SliceRows(heads, head + channel, 1, k));
  }
}

std::vector<float> OrderHeads(const std::vector<float>& heads, std::span<const int64_t> order) {
  std::vector<float> out(heads.size());
  for (size_t head = 0; head < heads.size(); head += order.size()) {
    for (size_t i = 0; i < order.size(); ++i) {
      out[head + i] = heads[head + static_cast<size_t>(order[i])];
    }
  }
  return out;
}

}  // namespace quarry

// The order of a head's channels. The decoder rotates pairs of halves, (p, p + R/2) of R rotated
// channels. Where a file has them side by side, (2p, 2p + 1), the rows of the q and k projections
// are put in that order on loading: a product q.k does not depend on the order of its terms, so
// that nothing after the projections needs to know.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/packed_matrix.h"
#include "tensor/rope_spec.h"

namespace quarry {

// order[i]: the channel of the file that becomes channel i of a head.
std::vector<int64_t> ChannelOrder(const RopeSpec& rope, int64_t head_dim);

// Appends the rows of `heads`, [n * head_dim, k], to `parts` with each head's rows in order.
void AppendHeads(const MatrixRows& heads, int64_t k, std::span<const int64_t> order,
                 std::vector<MatrixRows>& parts);

// The same for a vector of n * head_dim, or an empty one.
std::vector<float> OrderHeads(const std::vector<float>& heads, std::span<const int64_t> order);

}  // namespace quarry

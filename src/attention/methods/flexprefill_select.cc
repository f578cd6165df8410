#include "attention/methods/flexprefill_select.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/select_top.h"
#include "base/checked_math.h"

namespace quarry {
namespace {

constexpr float kForced = std::numeric_limits<float>::infinity();
// The authors' code counts tokens by 128 whatever its block size is.
constexpr int64_t kReferenceCountUnit = 128;

// exp(x - max) / sum in place, f32 as the reference has it: far smaller entries become exactly 0.
void Softmax(std::span<float> x) {
  const float top = *std::max_element(x.begin(), x.end());
  float sum = 0;
  for (float& v : x) sum += v = std::exp(v - top);
  for (float& v : x) v /= sum;
}

class Selector {
 public:
  Selector(const FlexPrefillConfig& config, const FlexInput& in,
           const kernels::KernelTable& kernels)
      : config_(config),
        in_(in),
        kernels_(kernels),
        reference_(config.selection == FlexSelectionRule::kReference),
        b_(config.block_size),
        blocks_(CeilDiv(in.call.end, b_)),
        first_row_(in.call.begin / b_),
        scale_(SoftmaxScale(in.head_dim)) {}

  FlexHead Run() {
    Distributions();
    head_.js = RootJs();
    head_.query_aware = head_.js < config_.tau;  // false for NaN
    CountLines();
    if (config_.gamma >= 1) {
      TakeEverything();
    } else {
      TakeLines();
      if (head_.query_aware) TakeByQuery();
      WriteRows();
    }
    return std::move(head_);
  }

 private:
  int64_t row_blocks() const { return blocks_ - first_row_; }
  // The block of the oldest key that the query at `position` sees.
  int64_t OldestBlock(TokenPos position) const {
    if (in_.window == 0) return 0;
    return std::max<TokenPos>(0, position - in_.window + 1) / b_;
  }

  void Distributions() {
    const auto m = static_cast<size_t>(blocks_);
    const auto share = static_cast<float>(1 / static_cast<double>(in_.rows));
    vert_ = in_.mass->column;
    dist_ = in_.mass->distance;
    for (float& x : vert_) x *= share;
    for (float& x : dist_) x *= share;
    head_.a_hat.assign(m, 0.0f);
    head_.slash.assign(m, 0.0f);
    const int64_t in_last = in_.call.end - (blocks_ - 1) * b_;
    for (int64_t t = 0; t < in_.call.end; ++t) {
      const auto i = static_cast<size_t>(t);
      head_.a_hat[static_cast<size_t>(t / b_)] += vert_[i];
      head_.slash[static_cast<size_t>(t < in_last ? 0 : 1 + (t - in_last) / b_)] += dist_[i];
    }
    head_.a_bar.assign(m, 0.0f);
    const int64_t oldest = OldestBlock(in_.call.end - in_.rows);
    const std::span<float> seen = std::span(head_.a_bar).subspan(static_cast<size_t>(oldest));
    kernels_.dot_rows(DType::kF32, in_.key_means + oldest * in_.head_dim, blocks_ - oldest,
                      in_.head_dim, in_.query_mean, seen.data());
    for (float& x : seen) x *= scale_;
    Softmax(seen);
  }

  double RootJs() const {
    double sum = 0;
    for (auto c = static_cast<size_t>(OldestBlock(in_.call.end - in_.rows)); c < head_.a_bar.size();
         ++c) {
      const double p = head_.a_bar[c];
      const double q = head_.a_hat[c];
      const double m = (p + q) / 2;
      if (reference_) {
        sum += 0.5 * (p * std::log(p / m)) + 0.5 * (q * std::log(q / m));  // NaN for a zero
      } else {
        if (p > 0) sum += 0.5 * p * std::log(p / m);
        if (q > 0) sum += 0.5 * q * std::log(q / m);
      }
    }
    return std::sqrt(reference_ ? sum : std::max(0.0, sum));
  }

  void CountLines() {
    const int64_t least = CeilDiv(config_.min_budget, b_);
    const int64_t most =
        config_.max_budget ? std::min(CeilDiv(*config_.max_budget, b_), blocks_) : blocks_;
    if (reference_) {
      head_.token_count_v = 1 + LargestWithin(vert_, config_.gamma).count;
      head_.token_count_s = 1 + LargestWithin(dist_, config_.gamma).count;
      head_.n_v = head_.token_count_v / kReferenceCountUnit + 1;
      head_.n_s = head_.token_count_s / kReferenceCountUnit + 1;
    } else {
      head_.n_v = CountWithForced(head_.a_hat);
      head_.n_s = CountWithForced(head_.slash);
    }
    head_.n_v = std::min(std::max(head_.n_v, least), most);
    head_.n_s = std::min(std::max(head_.n_s, least), most);
    if (head_.query_aware) head_.n_v = head_.n_s = std::min(least, blocks_);
  }

  // Blocks that together have a share of gamma, the first one taken first in any case.
  int64_t CountWithForced(std::span<const float> share) const {
    return 1 + CountToReach(share.subspan(1), config_.gamma - static_cast<double>(share[0]));
  }

  // The best n with index 0 among them.
  static std::vector<int32_t> Top(std::vector<float> scores, int64_t n) {
    scores[0] = kForced;
    std::vector<int32_t> top;
    TopIndices(scores, n, top);
    return top;
  }

  void TakeLines() {
    columns_ = Top(head_.a_hat, head_.n_v);
    offsets_ = Top(head_.slash, head_.n_s);
  }

  // The first key block that a row block sees.
  int64_t OldestOfRow(int64_t row) const { return OldestBlock(std::max(in_.call.begin, row * b_)); }

  // Rows of the pooled map, one after the other: row block i has entries for the key blocks up to i
  // that it sees.
  void TakeByQuery() {
    row_begin_.assign(1, 0);
    std::vector<float> map;
    for (int64_t row = first_row_; row < blocks_; ++row) {
      const int64_t oldest = OldestOfRow(row);
      const auto n = static_cast<size_t>(row + 1 - oldest);
      map.resize(map.size() + n);
      const std::span<float> scores = std::span(map).last(n);
      kernels_.dot_rows(DType::kF32, in_.key_means + oldest * in_.head_dim, row + 1 - oldest,
                        in_.head_dim, in_.block_queries + (row - first_row_) * in_.head_dim,
                        scores.data());
      for (float& x : scores) x *= scale_;
      Softmax(scores);
      row_begin_.push_back(map.size());
    }
    if (reference_) {
      const double limit = config_.gamma * static_cast<double>(row_blocks());
      TopIndices(map, LargestWithin(map, limit).count, by_query_);
      return;
    }
    std::vector<int32_t> top;
    for (size_t i = 0; i + 1 < row_begin_.size(); ++i) {
      const auto row = std::span(map).subspan(row_begin_[i], row_begin_[i + 1] - row_begin_[i]);
      TopIndices(row, CountToReach(row, config_.gamma), top);
      for (int32_t c : top) by_query_.push_back(static_cast<int32_t>(row_begin_[i]) + c);
    }
  }

  void WriteRows() {
    std::vector<uint8_t> taken(static_cast<size_t>(blocks_));
    size_t next = 0;  // of by_query_
    head_.row_ptr.push_back(0);
    for (int64_t row = first_row_; row < blocks_; ++row) {
      std::fill(taken.begin(), taken.begin() + row + 1, uint8_t{0});
      for (int32_t c : columns_) {
        if (c <= row) taken[static_cast<size_t>(c)] = 1;
      }
      for (int32_t s : offsets_) {
        if (s <= row) taken[static_cast<size_t>(row - s)] = 1;
      }
      const auto i = static_cast<size_t>(row - first_row_);
      const auto oldest = static_cast<size_t>(OldestOfRow(row));
      for (; next < by_query_.size() && static_cast<size_t>(by_query_[next]) < row_begin_[i + 1];
           ++next) {
        taken[oldest + static_cast<size_t>(by_query_[next]) - row_begin_[i]] = 1;
      }
      for (int64_t c = 0; c <= row; ++c) {
        if (taken[static_cast<size_t>(c)] != 0) head_.blocks.push_back(static_cast<int32_t>(c));
      }
      head_.row_ptr.push_back(head_.blocks.size());
    }
  }

  void TakeEverything() {
    head_.n_v = head_.n_s = blocks_;
    head_.row_ptr.push_back(0);
    for (int64_t row = first_row_; row < blocks_; ++row) {
      for (int64_t c = 0; c <= row; ++c) head_.blocks.push_back(static_cast<int32_t>(c));
      head_.row_ptr.push_back(head_.blocks.size());
    }
  }

  const FlexPrefillConfig& config_;
  const FlexInput& in_;
  const kernels::KernelTable& kernels_;
  const bool reference_;
  const int64_t b_;
  const int64_t blocks_;     // M
  const int64_t first_row_;  // block of the call's first row
  const float scale_;
  FlexHead head_;
  std::vector<float> vert_, dist_;  // [N], shares of tokens and of distances
  std::vector<int32_t> columns_, offsets_;
  std::vector<size_t> row_begin_;  // of the pooled map
  std::vector<int32_t> by_query_;  // entries of the pooled map, ascending
};

}  // namespace

FlexHead SelectFlexHead(const FlexPrefillConfig& config, const FlexInput& in,
                        const kernels::KernelTable& kernels) {
  return Selector(config, in, kernels).Run();
}

}  // namespace quarry

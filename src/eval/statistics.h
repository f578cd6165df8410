// How far to trust a mean.
#pragma once

#include <cstdint>

namespace quarry::eval {

struct Interval {
  double low = 0;
  double high = 1;
};

// Wilson's score interval (1927) at 95 % for `successes` of `trials`. Successes may be fractional:
// sums of scores between 0 and 1, for which it is too wide rather than too narrow, because no score
// in [0, 1] varies more than one of 0 and 1 with the same mean. [0, 1] without trials.
Interval WilsonInterval(double successes, int64_t trials);

}  // namespace quarry::eval

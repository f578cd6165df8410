#include "text/jinja/strftime.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include <fmt/format.h>

namespace quarry::jinja {
namespace {

using std::chrono::days;

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

struct Calendar {
  int year;
  int month;  // 1 to 12
  int day;    // of the month, 1 to 31
  int hour;
  int minute;
  int second;
  int microsecond;
  int week_day;  // 0 is Sunday
  int year_day;  // 1 to 366
  int64_t epoch_seconds;
};

Calendar ToCalendar(WallTime time) {
  const auto midnight = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(midnight);
  const auto rest = time - midnight;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(rest);
  const auto first = std::chrono::local_days(date.year() / std::chrono::January / 1);
  Calendar c{};
  c.year = static_cast<int>(date.year());
  c.month = static_cast<int>(static_cast<unsigned>(date.month()));
  c.day = static_cast<int>(static_cast<unsigned>(date.day()));
  c.hour = static_cast<int>(seconds.count() / 3600);
  c.minute = static_cast<int>(seconds.count() / 60 % 60);
  c.second = static_cast<int>(seconds.count() % 60);
  c.microsecond = static_cast<int>((rest - seconds).count());
  c.week_day = static_cast<int>(std::chrono::weekday(midnight).c_encoding());
  c.year_day = static_cast<int>((midnight - first).count()) + 1;
  c.epoch_seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  return c;
}

bool IsLeap(int year) { return std::chrono::year(year).is_leap(); }

// ISO 8601: weeks begin on Monday, the first holds the year's first Thursday.
std::pair<int, int> IsoYearAndWeek(const Calendar& c) {
  const int monday_based = (c.week_day + 6) % 7;
  int year = c.year;
  int week = (c.year_day - 1 - monday_based + 10) / 7;
  if (week < 1) {
    --year;
    const int days_before = IsLeap(year) ? 366 : 365;
    week = (c.year_day - 1 + days_before - monday_based + 10) / 7;
  } else if (week == 53) {
    const int length = IsLeap(c.year) ? 366 : 365;
    const int days_left = length - c.year_day;
    if (days_left < 3 - monday_based) {
      ++year;
      week = 1;
    }
  }
  return {year, week};
}

// How one directive prints: a number with its width and padding, or text.
struct Piece {
  std::string text;
  int width = 0;
  char pad = '0';
};

Piece Number(int64_t value, int width, char pad = '0') {
  return {fmt::format("{}", value), width, pad};
}

Piece Text(std::string_view text) { return {std::string(text), 0, ' '}; }

std::string Shaped(const Piece& piece, char flag, int width) {
  std::string text = piece.text;
  const bool number = piece.width > 0;
  char pad = number ? piece.pad : ' ';
  if (flag == '_') pad = ' ';
  if (flag == '0') pad = '0';
  const int wanted = flag == '-' ? 0 : std::max(width, piece.width);
  if (static_cast<int>(text.size()) < wanted) {
    text.insert(0, static_cast<size_t>(wanted) - text.size(), pad);
  }
  if (flag == '^') {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  return text;
}

bool Convert(char directive, const Calendar& c, WallTime time, Piece* out) {
  const int hour12 = c.hour % 12 == 0 ? 12 : c.hour % 12;
  const auto day = kDays[static_cast<size_t>(c.week_day)];
  const auto month = kMonths[static_cast<size_t>(c.month - 1)];
  const auto whole = [&](std::string_view format) { *out = Text(FormatTime(format, time)); };
  switch (directive) {
    case 'a':
      *out = Text(day.substr(0, 3));
      break;
    case 'A':
      *out = Text(day);
      break;
    case 'b':
    case 'h':
      *out = Text(month.substr(0, 3));
      break;
    case 'B':
      *out = Text(month);
      break;
    case 'c':
      whole("%a %b %e %H:%M:%S %Y");
      break;
    case 'C':
      *out = Number(c.year / 100, 2);
      break;
    case 'd':
      *out = Number(c.day, 2);
      break;
    case 'D':
    case 'x':
      whole("%m/%d/%y");
      break;
    case 'e':
      *out = Number(c.day, 2, ' ');
      break;
    case 'f':
      *out = Number(c.microsecond, 6);
      break;
    case 'F':
      whole("%Y-%m-%d");
      break;
    case 'G':
      *out = Number(IsoYearAndWeek(c).first, 1);
      break;
    case 'g':
      *out = Number(IsoYearAndWeek(c).first % 100, 2);
      break;
    case 'H':
      *out = Number(c.hour, 2);
      break;
    case 'I':
      *out = Number(hour12, 2);
      break;
    case 'j':
      *out = Number(c.year_day, 3);
      break;
    case 'k':
      *out = Number(c.hour, 2, ' ');
      break;
    case 'l':
      *out = Number(hour12, 2, ' ');
      break;
    case 'm':
      *out = Number(c.month, 2);
      break;
    case 'M':
      *out = Number(c.minute, 2);
      break;
    case 'n':
      *out = Text("\n");
      break;
    case 'p':
      *out = Text(c.hour < 12 ? "AM" : "PM");
      break;
    case 'P':
      *out = Text(c.hour < 12 ? "am" : "pm");
      break;
    case 'r':
      whole("%I:%M:%S %p");
      break;
    case 'R':
      whole("%H:%M");
      break;
    case 's':
      *out = Number(c.epoch_seconds, 1);
      break;
    case 'S':
      *out = Number(c.second, 2);
      break;
    case 't':
      *out = Text("\t");
      break;
    case 'T':
    case 'X':
      whole("%H:%M:%S");
      break;
    case 'u':
      *out = Number(c.week_day == 0 ? 7 : c.week_day, 1);
      break;
    case 'U':
      *out = Number((c.year_day + 6 - c.week_day) / 7, 2);
      break;
    case 'V':
      *out = Number(IsoYearAndWeek(c).second, 2);
      break;
    case 'w':
      *out = Number(c.week_day, 1);
      break;
    case 'W':
      *out = Number((c.year_day + 6 - (c.week_day + 6) % 7) / 7, 2);
      break;
    case 'y':
      *out = Number(c.year % 100, 2);
      break;
    case 'Y':
      *out = Number(c.year, 1);
      break;
    case 'z':
    case 'Z':
      *out = Text("");
      break;
    case '%':
      *out = Text("%");
      break;
    default:
      return false;
  }
  return true;
}

}  // namespace

std::string FormatTime(std::string_view format, WallTime time) {
  const Calendar calendar = ToCalendar(time);
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    size_t at = i + 1;
    char flag = 0;
    while (at < format.size() &&
           std::string_view("-_0^#").find(format[at]) != std::string_view::npos) {
      flag = format[at++];
    }
    int width = 0;
    while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
      width = std::min(width * 10 + (format[at++] - '0'), 1000);
    }
    Piece piece;
    if (at < format.size() && Convert(format[at], calendar, time, &piece)) {
      out += Shaped(piece, flag, width);
      i = at;
    } else {
      out += '%';
    }
  }
  return out;
}

WallTime LocalNow() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const std::time_t t = std::chrono::system_clock::to_time_t(seconds);
  std::tm local{};
  localtime_r(&t, &local);
  const auto date = std::chrono::local_days(std::chrono::year(local.tm_year + 1900) /
                                            (local.tm_mon + 1) / local.tm_mday);
  return date + std::chrono::hours(local.tm_hour) + std::chrono::minutes(local.tm_min) +
         std::chrono::seconds(local.tm_sec) + (now - seconds);
}

}  // namespace quarry::jinja

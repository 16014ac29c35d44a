// SPDX-License-Identifier: Apache-2.0
// os.time, os.date and os.clock on the sandbox's clock, in UTC. The C library is not asked: it
// would read time zone files and knows conversions that differ between systems.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "script/sandbox_parts.h"

enum { FORMAT_BYTES_MAX = 4096, SECONDS_PER_DAY = 86400, DAYS_PER_400_YEARS = 146097 };

// Far more than anybody's data, and far from any overflow.
static const int64_t year_max = 1000000;

struct date {
  int64_t year;
  int month, day, hour, minute, second; // month and day from 1
  int weekday, yearday;                 // from 0; Sunday is 0
};

// Floored division, so that times before 1970 work.
static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b) {
  return a - floor_div(a, b) * b;
}

// Days since 1970-01-01 of a day in the proleptic Gregorian calendar. Years are counted from March,
// so that the leap day is the last of its year.
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year += floor_div(month - 1, 12);
  month = floor_mod(month - 1, 12) + 1;
  year -= month <= 2;
  int64_t month_of_march = (month + 9) % 12;
  return 365 * year + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) +
         (153 * month_of_march + 2) / 5 + day - 1 - 719468;
}

static void date_set_day(struct date *date, int64_t days) {
  date->year = 1970 + floor_div(days * 400, DAYS_PER_400_YEARS) - 1; // this year or the one before
  while (days_of(date->year + 1, 1, 1) <= days) date->year++;
  date->yearday = (int)(days - days_of(date->year, 1, 1));
  date->month = 1;
  while (date->month < 12 && days_of(date->year, date->month + 1, 1) <= days) date->month++;
  date->day = (int)(days - days_of(date->year, date->month, 1)) + 1;
  date->weekday = (int)floor_mod(days + 4, 7); // 1970-01-01 was a Thursday
}

static void date_set(struct date *date, int64_t seconds) {
  date_set_day(date, floor_div(seconds, SECONDS_PER_DAY));
  int rest = (int)floor_mod(seconds, SECONDS_PER_DAY);
  date->hour = rest / 3600;
  date->minute = rest / 60 % 60;
  date->second = rest % 60;
}

static int64_t now_s(lua_State *L) {
  return floor_div(tg_clock_wall_ms(tg_sandbox_of(L)->options.script_clock), 1000);
}

static int l_os_clock(lua_State *L) {
  lua_pushnumber(L, (lua_Number)tg_clock_mono_ms(tg_sandbox_of(L)->options.script_clock) / 1000);
  return 1;
}

static int64_t date_field(lua_State *L, const char *name, int64_t absent) {
  int is_integer;
  int type = lua_getfield(L, 1, name);
  int64_t value = lua_tointegerx(L, -1, &is_integer);
  if (type == LUA_TNIL && absent < 0) luaL_error(L, "field '%s' missing in date table", name);
  if (type != LUA_TNIL && !is_integer) luaL_error(L, "field '%s' is not an integer", name);
  lua_pop(L, 1);
  if (type == LUA_TNIL) return absent;
  if (value < -year_max * 1000 || value > year_max * 1000)
    luaL_error(L, "field '%s' is out-of-bound", name);
  return value;
}

static void push_field(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

// Writes a date's fields into the table on top, as Lua names them.
static void set_fields(lua_State *L, const struct date *date) {
  push_field(L, "year", date->year);
  push_field(L, "month", date->month);
  push_field(L, "day", date->day);
  push_field(L, "hour", date->hour);
  push_field(L, "min", date->minute);
  push_field(L, "sec", date->second);
  push_field(L, "yday", date->yearday + 1);
  push_field(L, "wday", date->weekday + 1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "isdst");
}

static int64_t check_range(lua_State *L, int64_t seconds) {
  if (seconds < -year_max * 366 * SECONDS_PER_DAY || seconds > year_max * 366 * SECONDS_PER_DAY)
    luaL_error(L, "time out-of-bound");
  return seconds;
}

static int l_os_time(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, now_s(L));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t year = date_field(L, "year", -1), month = date_field(L, "month", -1);
  int64_t day = date_field(L, "day", -1), hour = date_field(L, "hour", 12);
  int64_t minute = date_field(L, "min", 0), second = date_field(L, "sec", 0);
  if (year < -year_max || year > year_max) return luaL_error(L, "field 'year' is out-of-bound");
  int64_t seconds = check_range(L, days_of(year, month, day) * SECONDS_PER_DAY + hour * 3600 +
                                       minute * 60 + second);
  struct date date;
  date_set(&date, seconds);
  lua_settop(L, 1);
  set_fields(L, &date); // like Lua's own, brings the fields into their ranges
  lua_pushinteger(L, seconds);
  return 1;
}

// ---- os.date -----------------------------------------------------------------------------------

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

// The year and number of the ISO 8601 week: the one that has the date's Thursday.
static int64_t iso_week(const struct date *date, int *week) {
  int64_t thursday = days_of(date->year, 1, 1) + date->yearday - (date->weekday + 6) % 7 + 3;
  struct date of_thursday;
  date_set_day(&of_thursday, thursday);
  *week = of_thursday.yearday / 7 + 1;
  return of_thursday.year;
}

static void put_format(luaL_Buffer *out, const char *format, size_t len, const struct date *date);

static void put_number(luaL_Buffer *out, const char *format, int64_t number) {
  char text[32];
  // cppcheck-suppress wrongPrintfScanfArgNum; it does not know PRId64
  snprintf(text, sizeof text, format, number);
  luaL_addstring(out, text);
}

static void put_two(luaL_Buffer *out, int64_t number) {
  put_number(out, "%02" PRId64, number);
}

static void put_week(luaL_Buffer *out, const struct date *date) {
  int week;
  iso_week(date, &week);
  put_two(out, week);
}

static int64_t week_year(const struct date *date) {
  int week;
  return iso_week(date, &week);
}

// The number of the week whose first day is `first` (0 for Sunday) and that may be short.
static int64_t plain_week(const struct date *date, int first) {
  return (date->yearday + 7 - (date->weekday + 7 - first) % 7) / 7;
}

// What a letter stands for that is made of others, or NULL.
static const char *composite(char letter) {
  switch (letter) {
  case 'c':
    return "%a %b %e %H:%M:%S %Y";
  case 'D':
  case 'x':
    return "%m/%d/%y";
  case 'F':
    return "%Y-%m-%d";
  case 'r':
    return "%I:%M:%S %p";
  case 'R':
    return "%H:%M";
  case 'T':
  case 'X':
    return "%H:%M:%S";
  default:
    return NULL;
  }
}

static bool put_number_of(luaL_Buffer *out, char letter, const struct date *date) {
  switch (letter) {
  case 'C':
    put_two(out, floor_div(date->year, 100));
    break;
  case 'd':
    put_two(out, date->day);
    break;
  case 'e':
    put_number(out, "%2" PRId64, date->day);
    break;
  case 'g':
    put_two(out, floor_mod(week_year(date), 100));
    break;
  case 'G':
    put_number(out, "%" PRId64, week_year(date));
    break;
  case 'H':
    put_two(out, date->hour);
    break;
  case 'I':
    put_two(out, (date->hour + 11) % 12 + 1);
    break;
  case 'j':
    put_number(out, "%03" PRId64, date->yearday + 1);
    break;
  case 'm':
    put_two(out, date->month);
    break;
  case 'M':
    put_two(out, date->minute);
    break;
  case 'S':
    put_two(out, date->second);
    break;
  case 'u':
    put_number(out, "%" PRId64, (date->weekday + 6) % 7 + 1);
    break;
  case 'U':
    put_two(out, plain_week(date, 0));
    break;
  case 'V':
    put_week(out, date);
    break;
  case 'w':
    put_number(out, "%" PRId64, date->weekday);
    break;
  case 'W':
    put_two(out, plain_week(date, 1));
    break;
  case 'y':
    put_two(out, floor_mod(date->year, 100));
    break;
  case 'Y':
    put_number(out, "%" PRId64, date->year);
    break;
  default:
    return false;
  }
  return true;
}

static bool put_word_of(luaL_Buffer *out, char letter, const struct date *date) {
  const char *day = day_names[date->weekday], *month = month_names[date->month - 1];
  switch (letter) {
  case 'a':
    luaL_addlstring(out, day, 3);
    break;
  case 'A':
    luaL_addstring(out, day);
    break;
  case 'b':
  case 'h':
    luaL_addlstring(out, month, 3);
    break;
  case 'B':
    luaL_addstring(out, month);
    break;
  case 'n':
    luaL_addchar(out, '\n');
    break;
  case 'p':
    luaL_addstring(out, date->hour < 12 ? "AM" : "PM");
    break;
  case 't':
    luaL_addchar(out, '\t');
    break;
  case 'z':
    luaL_addstring(out, "+0000");
    break;
  case 'Z':
    luaL_addstring(out, "UTC");
    break;
  case '%':
    luaL_addchar(out, '%');
    break;
  default:
    return false;
  }
  return true;
}

static void put_conversion(luaL_Buffer *out, char letter, const struct date *date) {
  const char *parts = composite(letter);
  if (parts)
    put_format(out, parts, strlen(parts), date);
  else if (!put_number_of(out, letter, date) && !put_word_of(out, letter, date))
    luaL_argerror(out->L, 1, "it has a conversion that os.date does not know");
}

// A format may have zero bytes in it; the one that ends it is no conversion.
static void put_format(luaL_Buffer *out, const char *format, size_t len, const struct date *date) {
  for (const char *end = format + len; format < end; format++) {
    if (*format == '%')
      put_conversion(out, *++format, date);
    else
      luaL_addchar(out, *format);
  }
}

static int l_os_date(lua_State *L) {
  size_t len;
  const char *format = luaL_optlstring(L, 1, "%c", &len);
  int64_t seconds = check_range(L, lua_isnoneornil(L, 2) ? now_s(L) : luaL_checkinteger(L, 2));
  luaL_argcheck(L, len <= FORMAT_BYTES_MAX, 1, "format too long");
  struct date date;
  date_set(&date, seconds);
  const char *end = format + len;
  if (*format == '!') format++; // every time is UTC here
  if (strcmp(format, "*t") == 0) {
    lua_createtable(L, 0, 9);
    set_fields(L, &date);
    return 1;
  }
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  put_format(&out, format, (size_t)(end - format), &date);
  luaL_pushresult(&out);
  return 1;
}

void tg_sandbox_push_os(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"clock", l_os_clock}, {"date", l_os_date}, {"time", l_os_time}, {NULL, NULL}};
  luaL_newlib(L, functions);
}

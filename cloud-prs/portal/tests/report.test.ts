//! What a report adds up, per technician, customer and host (S23).
import { describe, expect, it } from 'vitest';
import { csv, day, endOf, SPANS, startOf, sums } from '../src/pages/report';

const session = (user: string, customer: string, host: string, started: number, ended: number | null, from = 0, to = 0) => ({
  session: `${user}${host}${started}`, user: { id: user, name: `name of ${user}` }, customer: { id: customer, name: `name of ${customer}` }, site: { id: `${customer}-s`, name: 'Depot' },
  host: { id: host, name: `name of ${host}` }, protocol: 'ssh', started, ended, from_hosts: from, to_hosts: to, reason: null,
}) as never;

const list = [
  session('ann', 'mill', 'till', 1_000, 61_000, 10, 1),
  session('bea', 'mill', 'till', 5_000, 10_000, 20, 2),
  session('ann', 'mill', 'nas', 200_000, 500_000, 30, 3),
  session('ann', 'port', 'crane', 900_000, null, 40, 4),
];
const NOW = 1_000_000;

describe('a report', () => {
  it('adds up per technician, the longest first', () => expect(sums(list, 'user', NOW)).toEqual([
    { id: 'ann', name: 'name of ann', under: '', count: 3, time: 60_000 + 300_000 + 100_000, from: 80, to: 8, last: 900_000, people: 1 },
    { id: 'bea', name: 'name of bea', under: '', count: 1, time: 5_000, from: 20, to: 2, last: 5_000, people: 1 },
  ]));
  it('counts the people at a customer once each', () => expect(sums(list, 'customer', NOW).map((s) => [s.id, s.count, s.people, s.time])).toEqual([['mill', 3, 2, 365_000], ['port', 1, 1, 100_000]]));
  it('says whose a host is, and keeps hosts of one name apart', () => {
    const two = sums([...list, session('bea', 'port', 'till2', 0, 1, 1, 1)], 'host', NOW);
    expect(two.map((s) => [s.id, s.under, s.from])).toEqual([['nas', 'name of mill › Depot', 30], ['crane', 'name of port › Depot', 40], ['till', 'name of mill › Depot', 30], ['till2', 'name of port › Depot', 1]]);
  });
  it('knows the days of the times that are asked for most', () => {
    const at = new Date(2026, 2, 31, 23, 30).getTime();
    expect(Object.fromEntries(SPANS.map(({ name, of }) => [name, of(at)]))).toEqual({
      'Last 30 days': ['2026-03-01', '2026-03-31'], 'Last 7 days': ['2026-03-24', '2026-03-31'], Today: ['2026-03-31', '2026-03-31'],
      'This month': ['2026-03-01', '2026-03-31'], 'Last month': ['2026-02-01', '2026-02-28'],
    });
  });
  it('counts a session that runs until now, and none backwards', () => {
    expect(sums([session('ann', 'c', 'h', 2_000_000, null)], 'user', NOW)[0]?.time).toBe(0);
    expect(sums([], 'user', NOW)).toEqual([]);
  });
  it('is a file of the sums, in which no name is a formula', () => {
    const file = csv(sums(list, 'user', NOW), 'user', false);
    expect(file.split('\n').slice(0, 2)).toEqual(['user,sessions,seconds,bytes_from_host,bytes_to_host,people,last', 'name of ann,3,460,80,8,1,1970-01-01T00:15:00Z']);
    const odd = [{ ...sums(list, 'host', NOW)[0]!, name: '=1+1', under: 'a "b", c' }];
    expect(csv(odd, 'host', true)).toBe('host,where,sessions,seconds,bytes_from_host,bytes_to_host,people,last\n\'=1+1,"a ""b"", c",1,300,30,3,1,1970-01-01T00:03:20Z\nolder sessions are left out: ask for a shorter time,,,,,,,\n');
  });
  it('takes whole days, the last one with its evening', () => {
    const noon = new Date(2026, 2, 29, 12).getTime();
    expect(day(noon)).toBe('2026-03-29');
    expect(startOf('2026-03-29')).toBe(new Date(2026, 2, 29).getTime());
    expect(endOf('2026-12-31')).toBe(new Date(2027, 0, 1).getTime());
    expect([startOf(''), endOf('x')]).toEqual([undefined, undefined]);
  });
});

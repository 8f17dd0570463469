//! Escape sequences with which hosts have made terminals answer, paste or act.

const E = '\x1b';
const ST = `${E}\\`;

export const ESCAPES: [string, string][] = [
  ['DA1', `${E}[c`], ['DA1 with 0', `${E}[0c`], ['DA2', `${E}[>c`], ['DA2 with 0', `${E}[>0c`], ['DA3', `${E}[=c`], ['DECID', `${E}Z`], ['ENQ', '\x05'],
  ['C1 DA1', '\x9bc'], ['C1 DA2', '\x9b>0c'],
  ['DSR 5', `${E}[5n`], ['CPR', `${E}[6n`], ['DECXCPR', `${E}[?6n`], ['printer', `${E}[?15n`], ['UDK', `${E}[?25n`], ['keyboard', `${E}[?26n`], ['locator', `${E}[?53n`], ['checksum', `${E}[?63;1n`], ['DSR >', `${E}[>1n`], ['colour scheme', `${E}[?996n`],
  ['DECRQM ansi', `${E}[4$p`], ['DECRQM dec', `${E}[?1$p`], ['DECRQM paste', `${E}[?2004$p`],
  ['title report', `${E}[21t`], ['icon report', `${E}[20t`], ['title then report', `${E}]0;rm -rf /\r\x07${E}[21t`], ['window state', `${E}[11t`], ['position', `${E}[13t`], ['size px', `${E}[14t`], ['size chars', `${E}[18t`], ['cell', `${E}[16t`], ['screen', `${E}[19t`], ['title stack', `${E}[22;0t${E}[23;0t`],
  ['DECREQTPARM', `${E}[x`], ['DECREQTPARM 1', `${E}[1x`], ['XTVERSION', `${E}[>q`], ['XTVERSION 0', `${E}[>0q`], ['kitty keyboard', `${E}[?u`], ['kitty push', `${E}[>1u${E}[?u`], ['modifyOtherKeys', `${E}[?4m`], ['XTSMGRAPHICS', `${E}[?1;1;0S`],
  ['DECRQCRA', `${E}[1;1;1;1;24;80*y`], ['DECRQPSR', `${E}[1$w`], ['DECRQPSR 2', `${E}[2$w`], ['DECRQUPSS', `${E}[&u`], ['DECRQLP', `${E}['|`], ['XTPOPSGR', `${E}[#S`],
  ['DECRQSS SGR', `${E}P$qm${ST}`], ['DECRQSS margins', `${E}P$qr${ST}`], ['DECRQSS cursor', `${E}P$q q${ST}`], ['DECRQSS level', `${E}P$q"p${ST}`], ['DECRQSS junk', `${E}P$q\r\nrm -rf /\r${ST}`], ['DECRQTSR', `${E}P$t1${ST}`],
  ['XTGETTCAP', `${E}P+q544e${ST}`], ['XTSETTCAP', `${E}P+p544e${ST}`], ['sixel', `${E}Pq#0;2;0;0;0#0!999999~${ST}`], ['DECUDK', `${E}P0;0|17/6c730d${ST}`],
  ['OSC 52 read', `${E}]52;c;?\x07`], ['OSC 52 write', `${E}]52;c;cm0gLXJmIC8=\x07`], ['OSC 52 primary', `${E}]52;p;?${ST}`],
  ['OSC 4 query', `${E}]4;1;?\x07`], ['OSC 4 many', `${E}]4;0;?;1;?;2;?${ST}`], ['OSC 10 query', `${E}]10;?\x07`], ['OSC 11 query', `${E}]11;?${ST}`], ['OSC 12 query', `${E}]12;?\x07`], ['OSC 10 chain', `${E}]10;?;?;?\x07`], ['OSC 17', `${E}]17;?\x07`], ['OSC 19', `${E}]19;?\x07`], ['OSC 5', `${E}]5;0;?\x07`],
  ['OSC 8 link', `${E}]8;;file:///etc/passwd\x07click${E}]8;;\x07`], ['OSC 8 javascript', `${E}]8;;javascript:alert(1)${ST}x${E}]8;;${ST}`],
  ['OSC 0 title', `${E}]0;\`reboot\`\r\x07`], ['OSC 2 title', `${E}]2;x\x07`], ['OSC L', `${E}]Lx${ST}`], ['OSC l', `${E}]lx${ST}`], ['OSC I', `${E}]I/etc/passwd${ST}`],
  ['OSC 7 cwd', `${E}]7;file://h/\x07`], ['OSC 9', `${E}]9;note\x07`], ['OSC 50 font', `${E}]50;?\x07`], ['OSC 46 log', `${E}]46;/tmp/x\x07`], ['OSC 99', `${E}]99;i=1:p=?;\x07`], ['OSC 133', `${E}]133;A\x07`], ['OSC 633', `${E}]633;P;Cwd=/\x07`], ['OSC 777', `${E}]777;notify;a;b\x07`], ['OSC 1337 file', `${E}]1337;File=inline=1:AAAA\x07`], ['OSC 1337 cell', `${E}]1337;ReportCellSize\x07`], ['OSC 1337 capabilities', `${E}]1337;Capabilities\x07`], ['OSC 1337 clipboard', `${E}]1337;CopyToClipboard=\x07`],
  ['C1 OSC 52', '\x9d52;c;?\x9c'], ['C1 DCS', '\x90$qm\x9c'],
  ['APC', `${E}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA${ST}`], ['PM', `${E}^private${ST}`], ['SOS', `${E}Xstring${ST}`],
  ['focus events', `${E}[?1004h`], ['answerback load', `${E}P1v48656c6c6f${ST}\x05`], ['media copy', `${E}[5i text ${E}[4i`], ['media copy screen', `${E}[i`], ['DECTST', `${E}[4;1y`],
  ['unfinished OSC', `${E}]52;c;?`], ['unfinished DCS', `${E}P$q`], ['nested', `${E}]0;${E}[c\x07`], ['cancelled', `${E}P$q\x18${E}[c`], ['long OSC', `${E}]52;c;${'A'.repeat(20000)}\x07`],
];
